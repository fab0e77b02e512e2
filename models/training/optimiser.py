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
        if keras.backend.backend() == "tensorflow":
            self._clipped = [self.add_variable((), name=f"clipped_{power}", initializer="zeros") for power in (1, 2)]

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        """Left to the step itself on TensorFlow."""
        return grads if keras.backend.backend() == "tensorflow" else super()._clip_gradients(grads)

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        """On TensorFlow each device updates its own copy: the engine has summed the gradients, before clipping."""
        if keras.backend.backend() != "tensorflow":
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        import tensorflow as tf

        norm = tf.linalg.global_norm(grads)
        coefficients = self._coefficients(self.global_clipnorm / tf.maximum(norm, self.global_clipnorm))
        rate = tf.cast(learning_rate, tf.float32)
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            self._fused(gradient, variable.value, rate, coefficients)

    def _coefficients(self, factor: Any) -> dict[str, Any]:
        """What Adam's kernel gets besides, for gradients that are to be clipped by `factor` but are not.

        Clipping would read and write every gradient once more. With moments m, v of the clipped gradients and
        c = β₁·c + (1 - β₁)·factor, d = β₂·d + (1 - β₂)·factor², the kernel's own moments are m/c and v/d: those of the
        gradients as they are, with β₁·c_before/c and β₂·d_before/d in place of β₁ and β₂.
        """
        import tensorflow as tf

        step, found = tf.cast(self.iterations + 1, tf.float32), []
        for beta, mean, power in zip((self.beta_1, self.beta_2), self._clipped, (1, 2), strict=True):
            before = mean.value.read_value()
            after = beta * before + (1 - beta) * factor**power
            tf.raw_ops.AssignVariableOp(resource=mean.value.handle, value=after)
            found.append((beta * before / after, beta**step, after))
        (beta1, beta1_power, of_mean), (beta2, beta2_power, of_square) = found
        root = tf.sqrt(of_square)
        return {
            "rate_factor": of_mean / root,
            "kernel": {
                "beta1": beta1,
                "beta2": beta2,
                "beta1_power": beta1_power,
                "beta2_power": beta2_power,
                "epsilon": self.epsilon / root,
            },
        }

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's step, where there is no fused kernel."""
        rate, kept = self._rates(variable, ops.cast(learning_rate, "float32"))
        if kept is not None:
            self.assign(variable, ops.convert_to_tensor(variable) * kept)
        super().update_step(gradient, variable, rate)

    def _rates(self, variable: Any, learning_rate: Any) -> tuple[Any, Any]:
        """A variable's learning rate, and what is kept of it in weight decay; None where it does not decay."""
        rate = learning_rate * self._scales[self._get_variable_index(variable)]
        return rate, 1 - rate * self.decay if self.decay and len(variable.shape) > 1 else None

    def _fused(self, gradient: Any, variable: Any, learning_rate: Any, coefficients: dict[str, Any]) -> None:
        """Two passes over memory instead of a dozen."""
        import tensorflow as tf

        index = self._get_variable_index(variable)
        rate, kept = self._rates(variable, learning_rate)
        if kept is not None:
            tf.raw_ops.AssignVariableOp(resource=variable.handle, value=variable.read_value() * kept)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            grad=gradient,
            lr=rate * coefficients["rate_factor"],
            **coefficients["kernel"],
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
