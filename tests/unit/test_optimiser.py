"""The optimiser is AdamW as published, with its scales, decay and clipping where they belong."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.bert.taste_model import TasteModel
from models.training.optimiser import LayerwiseAdamW, LinearSchedule, layer_scales, make_optimiser
from sazon.settings import EncoderSettings, TrainSettings

SIZE = EncoderSettings(layers=2, hidden=16, heads=2, intermediate=32, max_tokens=32)


def published(start, grads_of_steps, rates, decay, scales, clip_norm):
    """AdamW in numpy, float64. Source: Loshchilov & Hutter (2019), algorithm 2."""
    values = [value.astype(np.float64) for value in start]
    means, squares = [np.zeros_like(v) for v in values], [np.zeros_like(v) for v in values]
    for number, (grads, rate) in enumerate(zip(grads_of_steps, rates, strict=True), 1):
        norm = np.sqrt(sum(float((grad.astype(np.float64) ** 2).sum()) for grad in grads))
        for index, grad in enumerate(grads):
            clipped = grad * min(1.0, clip_norm / norm)
            means[index] = 0.9 * means[index] + 0.1 * clipped
            squares[index] = 0.999 * squares[index] + 0.001 * clipped**2
            mean, square = means[index] / (1 - 0.9**number), squares[index] / (1 - 0.999**number)
            step = mean / (np.sqrt(square) + 1e-8)
            if values[index].ndim > 1:
                step = step + decay * values[index]
            values[index] = values[index] - rate * scales[index] * step
    return values


def made(rng, shapes=((6, 4), (4,), (3, 2))):
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def apply_all(optimiser, variables, grads_of_steps):
    optimiser.build(variables)
    step = tf.function(lambda grads: optimiser.apply(grads, variables))
    for grads in grads_of_steps:
        step([tf.constant(grad) for grad in grads])
    return [variable.numpy() for variable in variables]


@pytest.mark.parametrize("clip_norm", [1e9, 1.0])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("scales", [(1.0, 1.0, 1.0), (0.5, 1.0, 0.25)])
def test_the_steps_are_those_of_the_paper(clip_norm, decay, scales):
    rng = np.random.default_rng(0)
    start, steps = made(rng), [made(rng) for _ in range(6)]
    schedule = LinearSchedule(0.01, 2, 6)
    variables = [keras.Variable(value) for value in start]
    by_id = {id(variable): scale for variable, scale in zip(variables, scales, strict=True)}
    ours = apply_all(LayerwiseAdamW(schedule, decay, by_id, clip_norm, 1), variables, steps)
    rates = [float(schedule(number)) for number in range(6)]
    for one, other in zip(ours, published(start, steps, rates, decay, scales, clip_norm), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def test_accumulated_gradients_make_one_step_of_their_mean():
    rng = np.random.default_rng(1)
    start, halves = made(rng), [made(rng) for _ in range(4)]
    means = [[(a + b) / 2 for a, b in zip(*halves[at : at + 2], strict=True)] for at in (0, 2)]
    results = []
    for accumulate, steps in ((2, halves), (1, means)):
        variables = [keras.Variable(value) for value in start]
        optimiser = LayerwiseAdamW(LinearSchedule(0.01, 1, 2, accumulate), 0.1, {}, 1.0, accumulate)
        results.append(apply_all(optimiser, variables, steps))
        assert int(optimiser.iterations) == 2
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_rate_rises_to_its_peak_and_falls_to_nothing():
    schedule = LinearSchedule(peak=2.0, warmup=10, steps=100)
    rates = [float(schedule(step)) for step in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == rates[9] == pytest.approx(2.0)
    assert rates[99] == pytest.approx(2.0 / 90)
    assert rates[100] == 0.0


def test_a_run_that_accumulates_learns_to_its_end():
    encoder = TasteModel(50, SIZE).encoder
    schedule = make_optimiser(TrainSettings(accumulate=4, warmup_share=0.5), encoder, 10)._learning_rate
    by_batch = [float(schedule(batch)) for batch in range(40)]
    by_step = [float(LinearSchedule(8e-4, 5, 10)(step)) for step in range(10)]
    assert by_batch == pytest.approx(np.repeat(by_step, 4))


@pytest.mark.parametrize(("warmup", "steps"), [(0, 1), (0, 5), (5, 5)])
def test_the_rate_is_sound_in_the_shortest_runs(warmup, steps):
    rates = [float(LinearSchedule(1.0, warmup, steps)(step)) for step in range(steps)]
    assert all(0 < rate <= 1 for rate in rates)


def test_lower_layers_learn_slower():
    encoder = TasteModel(50, SIZE).encoder
    scales = layer_scales(encoder, 0.5)
    assert scales[id(encoder.words)] == scales[id(encoder.norm.gamma)] == 0.125
    assert scales[id(encoder.layers[0].qkv.kernel)] == 0.25
    assert scales[id(encoder.layers[1].output_norm.beta)] == 0.5
    assert id(encoder.pooler.kernel) not in scales


def test_every_variable_of_the_encoder_below_the_pooler_has_a_scale():
    model = TasteModel(50, SIZE)
    scaled = layer_scales(model.encoder, 0.9)
    rest = [variable.path for variable in model.trainable_variables if id(variable) not in scaled]
    assert all("pooler" in path or "head" in path for path in rest)
    optimiser = make_optimiser(TrainSettings(layer_decay=0.9), model.encoder, 10)
    optimiser.build(model.trainable_variables)
    assert sorted(set(optimiser._scales)) == pytest.approx([0.9**3, 0.9**2, 0.9, 1.0])
