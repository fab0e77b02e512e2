"""Several devices learn what one learns: two virtual CPUs, in a process of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]

COMPARE = """
from sazon.quiet import quiet_libraries
quiet_libraries()
import keras
import numpy as np
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from models.training.devices import device_scope
from models.training.engine import Engine
from models.training.optimiser import LayerwiseAdamW, LinearSchedule
from models.bert.packing import pack
from models.bert.taste_model import TasteModel
from sazon.errors import SettingsError
from sazon.settings import EncoderSettings, TrainSettings

SIZE = EncoderSettings(layers=1, hidden=16, heads=2, intermediate=32, max_tokens=32)

def batch_of(rows, passes):
    rng = np.random.default_rng(rows)
    texts = [rng.integers(5, 50, rng.integers(3, 20)).astype(np.int32) for _ in range(rows)] * passes
    tokens, layout = pack(texts)
    even = np.full(rows * passes, 1 / (rows * passes), np.float32)
    return {
        "tokens": tokens, "layout": layout,
        "sentiment": np.tile(rng.integers(0, 3, rows), passes).astype(np.int32), "sentiment_weight": even,
        "tastes": np.tile(rng.random((rows, 10)) < 0.3, (passes, 1)).astype(np.float32), "taste_weight": even,
        "positive_weight": np.ones(10, np.float32), "row_weight": even * passes,
    }

def train(devices, dropout, rdrop):
    settings = TrainSettings(devices=devices, dropout=dropout, rdrop=rdrop)
    with device_scope(settings):
        keras.utils.set_random_seed(5)
        model = TasteModel(50, SIZE, settings)
        optimiser = LayerwiseAdamW(LinearSchedule(1e-3, 1, 10), 0.01, {}, 1.0, 1)
        engine = Engine(model, optimiser)
    batches = [batch_of(rows, 2 if rdrop else 1) for rows in (9, 4, 1)]
    losses = [float(engine.step(batch)) for batch in batches]
    saved = [keras.ops.convert_to_numpy(variable) for variable in [*model.variables, *optimiser.variables]]
    assert len(saved) > 20 and keras.ops.convert_to_numpy(optimiser.iterations) == 3
    answer = engine.forward({name: batches[0][name] for name in ("tokens", "layout")})["sentiment"].numpy()
    return losses, answer

one, both = train(1, 0.0, 1.0), train(0, 0.0, 1.0)
np.testing.assert_allclose(one[0], both[0], rtol=1e-4)
np.testing.assert_allclose(one[1], both[1], atol=1e-4)
assert np.isfinite(train(2, 0.3, 0.0)[0]).all()
try:
    device_scope(TrainSettings(devices=3))
except SettingsError as error:
    print(error)
"""


def test_two_devices_learn_what_one_learns():
    done = subprocess.run([sys.executable, "-c", COMPARE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "train.devices: 3 asked for, 2 here; set 0 for all there are"
