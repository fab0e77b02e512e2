"""Dropout that draws a byte for each value."""

import keras


class Dropout(keras.layers.Dropout):
    """Keras' own, but on TensorFlow with a quarter of its random numbers; the rate there is a multiple of 1/256.

    Source: Srivastava et al., "Dropout" (2014).
    """

    def call(self, inputs: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """(…, size) float32 to the same."""
        if not training or not self.rate or keras.backend.backend() != "tensorflow" or inputs.shape[-1] % 4:
            return super().call(inputs, training=training)
        import tensorflow as tf

        dropped = round(self.rate * 256)
        shape = tf.concat([tf.shape(inputs)[:-1], [inputs.shape[-1] // 4]], 0)
        seed = tf.cast(self.seed_generator.next(), tf.int32)
        drawn = tf.random.stateless_uniform(shape, seed, minval=None, maxval=None, dtype=tf.int32)
        kept = tf.reshape(tf.bitcast(drawn, tf.uint8), tf.shape(inputs)) >= tf.constant(dropped, tf.uint8)
        return inputs * tf.where(kept, 256 / (256 - dropped), 0.0)
