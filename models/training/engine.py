"""One compiled training step and one compiled forward pass, the same on every Keras backend."""

from collections.abc import Callable
from typing import Any, Protocol

import keras
from keras import ops, tree

from models.bert.packing import Batch
from models.training.devices import share_rows


class Trainable(Protocol):
    """A Keras model that knows its loss."""

    trainable_variables: list[keras.Variable]
    non_trainable_variables: list[keras.Variable]

    def __call__(self, batch: Batch, training: bool = False) -> Any:
        """The forward pass."""

    def objective(self, batch: Batch) -> Any:
        """A scalar, in training mode."""


class Engine:
    """Steps and answers of one model."""

    def __init__(self, model: Trainable, optimiser: keras.optimizers.Optimizer | None) -> None:
        """`optimiser` None where nothing is trained; made in `devices.device_scope`, it trains on several."""
        self.model, self.optimiser = model, optimiser
        if optimiser is not None and not optimiser.built:
            optimiser.build(model.trainable_variables)
        make = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()]
        self.step, self.forward = make(model, optimiser)
        """step(batch) trains and gives the loss, not yet waited for; forward(batch) gives what the model answers."""


def _tensorflow(model: Trainable, optimiser: Any) -> tuple[Callable[[Batch], Any], Callable[[Batch], Any]]:
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    devices = strategy.num_replicas_in_sync

    def learn(batch: Batch) -> tf.Tensor:
        variables = model.trainable_variables
        with tf.GradientTape() as tape:
            loss = model.objective(batch)
        grads = tape.gradient(loss, [variable.value for variable in variables], unconnected_gradients="zero")
        grads = [tf.convert_to_tensor(grad) for grad in grads]
        if devices > 1:
            *grads, loss = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, [*grads, loss])
        optimiser.apply(grads, variables)
        return loss

    @tf.function(autograph=False)
    def step(batch: Batch) -> tf.Tensor:
        return learn(batch)

    @tf.function(autograph=False)
    def shared_step(shares: tuple[Batch, ...]) -> tf.Tensor:
        own = strategy.experimental_distribute_values_from_function(lambda at: shares[at.replica_id_in_sync_group])
        return strategy.experimental_local_results(strategy.run(learn, args=(own,)))[0]

    @tf.function(autograph=False)
    def forward(batch: Batch) -> Any:
        return model(batch, training=False)

    run, answer = _of_any_shape(step if devices == 1 else shared_step), _of_any_shape(forward)
    return (run if devices == 1 else lambda batch: run(share_rows(batch, devices))), answer  # type: ignore[arg-type]


def _of_any_shape(function: Any) -> Callable[[Batch], Any]:
    """Traces once for each number of inputs, every dimension open, instead of once for each shape that comes along."""
    import tensorflow as tf

    traced: dict[int, Any] = {}

    def run(batch: Batch) -> Any:
        tensors = tree.map_structure(tf.convert_to_tensor, batch, none_is_leaf=False)
        inputs = len(tree.flatten(tensors))
        if inputs not in traced:
            opened = tree.map_structure(_open_shape, tensors, none_is_leaf=False)
            traced[inputs] = function.get_concrete_function(opened)
        return traced[inputs](tensors)

    return run


def _open_shape(tensor: Any) -> Any:
    import tensorflow as tf

    return tf.TensorSpec([None] * tensor.ndim, tensor.dtype)


def _jax(model: Trainable, optimiser: Any) -> tuple[Callable[[Batch], Any], Callable[[Batch], Any]]:
    import jax

    def loss_of(trainable: list[Any], others: list[Any], batch: Batch) -> tuple[Any, list[Any]]:
        pairs = [*zip(model.trainable_variables, trainable, strict=True)]
        pairs += zip(model.non_trainable_variables, others, strict=True)
        with keras.StatelessScope(state_mapping=pairs) as scope:
            loss = model.objective(batch)
        return loss, [scope.get_current_value(variable) for variable in model.non_trainable_variables]

    @jax.jit
    def train(trainable: list[Any], others: list[Any], moments: list[Any], batch: Batch) -> tuple[Any, ...]:
        (loss, others), grads = jax.value_and_grad(loss_of, has_aux=True)(trainable, others, batch)
        trainable, moments = optimiser.stateless_apply(moments, grads, trainable)
        return loss, trainable, others, moments

    @jax.jit
    def answer(trainable: list[Any], others: list[Any], batch: Batch) -> Any:
        pairs = [*zip(model.trainable_variables, trainable, strict=True)]
        pairs += zip(model.non_trainable_variables, others, strict=True)
        with keras.StatelessScope(state_mapping=pairs):
            return model(batch, training=False)

    def values(variables: list[keras.Variable]) -> list[Any]:
        return [variable.value for variable in variables]

    def step(batch: Batch) -> Any:
        groups = (model.trainable_variables, model.non_trainable_variables, optimiser.variables)
        loss, *updated = train(*map(values, groups), batch)
        for variables, fresh in zip(groups, updated, strict=True):
            for variable, value in zip(variables, fresh, strict=True):
                variable.assign(value)
        return loss

    def forward(batch: Batch) -> Any:
        return answer(values(model.trainable_variables), values(model.non_trainable_variables), batch)

    return step, forward


def _torch(model: Any, optimiser: Any) -> tuple[Callable[[Batch], Any], Callable[[Batch], Any]]:
    import torch

    def tensors(batch: Batch) -> Batch:
        return tree.map_structure(ops.convert_to_tensor, batch, none_is_leaf=False)

    def step(batch: Batch) -> Any:
        model.zero_grad()
        loss = model.objective(tensors(batch))
        loss.backward()
        with torch.no_grad():
            optimiser.apply([variable.value.grad for variable in model.trainable_variables], model.trainable_variables)
        return loss.detach()

    def forward(batch: Batch) -> Any:
        with torch.no_grad():
            return model(tensors(batch), training=False)

    return step, forward
