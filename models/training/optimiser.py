"""AdamW as BERT is fine-tuned with: warm-up, linear decay, clipping, a learning rate for each layer."""

from typing import Any

import keras
from keras import ops

from models.bert.encoder import BertEncoder
from models.training.recipe import complete
from sazon.settings import TrainSettings


class LinearSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """From 0 up to the peak in `warmup` steps, then down to 0 at `steps`."""

    def __init__(self, peak: float, warmup: int, steps: int, accumulate: int = 1) -> None:
        """A step is made of `accumulate` batches."""
        super().__init__()
        self.peak, self.warmup, self.steps, self.accumulate = peak, max(1, warmup), max(2, steps), accumulate

    def __call__(self, batch: Any) -> Any:
        """Learning rate at a batch that counts from 0: Keras counts batches even where several make a step."""
        done = ops.cast(ops.floor_divide(batch, self.accumulate), "float32") + 1
        up = done / self.warmup
        down = (self.steps + 1 - done) / max(1, self.steps - self.warmup)
        return self.peak * ops.clip(ops.minimum(up, down), 0.0, 1.0)


class LayerwiseAdamW(keras.optimizers.Adam):
    """AdamW whose learning rate and decay are scaled for each variable; one fused kernel on TensorFlow.

    Source: Loshchilov & Hutter, "Decoupled Weight Decay Regularization" (2019); Howard & Ruder, "Universal Language
    Model Fine-tuning" (2018) for rates that fall from layer to layer.
    """

    def __init__(
        self, schedule: Any, decay: float, scales: dict[int, float], clip_norm: float, accumulate: int
    ) -> None:
        """`scales` maps `id(variable)` to its factor; variables of one axis (biases, norms) are not decayed."""
        super().__init__(
            schedule,
            epsilon=1e-8,
            global_clipnorm=clip_norm,
            gradient_accumulation_steps=accumulate if accumulate > 1 else None,
        )
        self.decay, self._scale_of = decay, scales
        self._scales: list[float] = []

    def build(self, variables: list[keras.Variable]) -> None:
        """Makes the moments."""
        self._scales = [self._scale_of.get(id(variable), 1.0) for variable in variables]
        super().build(variables)

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        """As Keras does, but one pass over each gradient for its norm."""
        if keras.backend.backend() != "tensorflow":
            return super()._clip_gradients(grads)
        import tensorflow as tf

        return tf.clip_by_global_norm(grads, self.global_clipnorm)[0]

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        """On TensorFlow each device updates its own copy: the engine has summed the gradients, before clipping."""
        if keras.backend.backend() != "tensorflow":
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            self.update_step(gradient, variable.value, learning_rate)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's step."""
        index = self._get_variable_index(variable)
        rate = ops.cast(learning_rate, "float32") * self._scales[index]
        kept = 1 - rate * self.decay if self.decay and len(variable.shape) > 1 else None
        if keras.backend.backend() == "tensorflow":
            self._fused(gradient, variable, rate, kept, index)
            return
        if kept is not None:
            self.assign(variable, ops.convert_to_tensor(variable) * kept)
        super().update_step(gradient, variable, rate)

    def _fused(self, gradient: Any, variable: Any, rate: Any, kept: Any, index: int) -> None:
        """Two passes over memory instead of a dozen."""
        import tensorflow as tf

        if kept is not None:
            tf.raw_ops.AssignVariableOp(resource=variable.handle, value=variable.read_value() * kept)
        step = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


def make_optimiser(settings: TrainSettings, encoder: BertEncoder, steps: int) -> LayerwiseAdamW:
    """The optimiser of a run of so many steps."""
    settings = complete(settings, encoder.size, pretrained=False)  # unless that was done already
    assert settings.learning_rate and settings.layer_decay
    schedule = LinearSchedule(settings.learning_rate, int(settings.warmup_share * steps), steps, settings.accumulate)
    scales = layer_scales(encoder, settings.layer_decay)
    return LayerwiseAdamW(schedule, settings.weight_decay, scales, settings.clip_norm, settings.accumulate)


def layer_scales(encoder: BertEncoder, decay: float) -> dict[int, float]:
    """`id(variable)` to decay^(layers above it); what is not in the encoder's stack has the full rate."""
    depth = len(encoder.layers)
    scales = {id(encoder.words): decay ** (depth + 1), id(encoder.positions): decay ** (depth + 1)}
    scales |= {id(variable): decay ** (depth + 1) for variable in encoder.norm.trainable_variables}
    for index, layer in enumerate(encoder.layers):
        scales |= {id(variable): decay ** (depth - index) for variable in layer.trainable_variables}
    return scales
