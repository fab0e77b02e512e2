"""Integrated gradients inside the exported model: they add up, and a text's do not depend on its neighbours."""

import numpy as np
import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

tf = pytest.importorskip("tensorflow")

from models.bert.packing import pack_ragged  # noqa: E402
from models.bert.taste_model import TasteModel  # noqa: E402
from models.checkpoints.finetuned import Answering  # noqa: E402
from models.export.frozen_model import FrozenModel  # noqa: E402
from models.text.tokeniser import Tokeniser  # noqa: E402
from sazon.settings import PRESETS  # noqa: E402

TEXTS = ["rico y bien picante el ceviche", "pésimo", "", "normal nomás, nada que decir"]


@pytest.fixture(scope="module")
def frozen() -> FrozenModel:
    """A two-layer BERT whose random weights are large enough to disagree about words."""
    import keras

    tokeniser = Tokeniser.learn(TEXTS * 3, 200)
    keras.utils.set_random_seed(3)
    model = TasteModel(len(tokeniser.vocabulary), PRESETS["tiny"])
    for variable in model.variables:
        if variable.name == "kernel":
            variable.assign(variable * 4)
    return FrozenModel(model, Answering(tokeniser, 16, [0.5] * 10))


def logits(frozen: FrozenModel, text: str) -> np.ndarray:
    """(3,) float32."""
    return frozen.model.heads(frozen.pooled(tf.constant([text])))["sentiment"][0].numpy()


def test_attributions_add_up_to_what_the_words_changed(frozen):
    answer = tf.function(frozen.attributions)(tf.constant(TEXTS))
    for row, text in enumerate(TEXTS):
        tokens = [token for token in answer["tokens"][row].numpy().tolist() if token]
        assert (tokens[0], tokens[-1]) == (b"[CLS]", b"[SEP]")
        named = int(answer["sentiment_index"][row])
        assert named == logits(frozen, text).argmax()
        hidden = masked_logits(frozen, len(tokens))
        total = float(tf.reduce_sum(answer["attributions"][row]))
        assert total == pytest.approx(logits(frozen, text)[named] - hidden[named], rel=0.03, abs=1e-4)


def masked_logits(frozen: FrozenModel, length: int) -> np.ndarray:
    """(3,) float32, where each word is hidden."""
    tokeniser = frozen.answering.tokeniser
    row = [tokeniser.cls_id, *[tokeniser.mask_id] * (length - 2), tokeniser.sep_id]
    tokens, layout = pack_ragged(tf.ragged.constant([row], tf.int32))
    with frozen._stored():
        first = frozen.model.encoder(tokens, layout=layout)
        return frozen.model.heads(frozen.model.encoder.pool(first))["sentiment"][0].numpy()


def test_a_text_is_explained_the_same_in_any_company(frozen):
    explain = tf.function(frozen.attributions)
    together = explain(tf.constant(TEXTS))["attributions"][0].numpy()
    alone = explain(tf.constant(TEXTS[:1]))["attributions"][0].numpy()
    np.testing.assert_allclose(together[: len(alone)], alone, atol=1e-5)
    assert explain(tf.constant([], tf.string))["attributions"].shape[0] == 0
