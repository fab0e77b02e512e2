"""Labelled rows straight to tokenised ones, where no TFX pipeline is in between: sweeps, benchmarks, notebooks."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from data.context import CONTEXT
from models.evaluation.baselines import taste_matrix
from models.inputs.example_store import UNLABELLED, TokenisedRows
from models.text.tokeniser import Tokeniser
from sazon.schema import SENTIMENTS

_PART = 1024


def tokenise_rows(rows: pd.DataFrame, tokeniser: Tokeniser, max_tokens: int) -> Iterator[TokenisedRows]:
    """Streams rows in the form that `ExampleStore.write` takes.

    Args:
        rows: `text`, `sentiment` ("" = unlabelled), `tastes` (tuples) and `tastes_labelled` (0 or 1); the columns of
            `data.context.CONTEXT` where there is a context.
        tokeniser: of the model.
        max_tokens: longest row.
    """
    import tensorflow as tf

    tokenise = tf.function(
        lambda texts: tokeniser.tokenise(texts, max_tokens),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    for start in range(0, len(rows), _PART):
        part = rows.iloc[start : start + _PART]
        tokens = tokenise(tf.constant(list(part["text"])))
        yield TokenisedRows(
            np.split(tokens.flat_values.numpy(), tokens.row_splits.numpy()[1:-1]),
            np.array([SENTIMENTS.index(name) if name else UNLABELLED for name in part["sentiment"]], np.int8),
            taste_matrix(part),
            part["tastes_labelled"].to_numpy() == 1,
            part[list(CONTEXT)].to_numpy(np.float32) if CONTEXT[0] in part else None,
        )
