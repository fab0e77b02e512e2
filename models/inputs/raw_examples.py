"""Reading of ExampleGen's raw examples back into a table."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

_COLUMNS = (
    "feedback_id",
    "text",
    "product",
    "category",
    "region",
    "channel",
    "sentiment",
    "source",
    "family",
    "created_at",
)


def read_raw_examples(files: Sequence[Path]) -> pd.DataFrame:
    """Reads gzipped TFRecords of tf.Example.

    Returns:
        Text columns as str ("" where absent), `rating` float, `tastes` as tuples, `tastes_labelled` int.
    """
    import tensorflow as tf

    spec = {name: tf.io.FixedLenFeature([], tf.string, "") for name in _COLUMNS}
    spec |= {
        "tastes": tf.io.RaggedFeature(tf.string),
        "tastes_labelled": tf.io.FixedLenFeature([], tf.int64, 0),
        "rating": tf.io.FixedLenFeature([], tf.float32, float("nan")),
    }
    tables = []
    for batch in tf.data.TFRecordDataset([str(path) for path in files], compression_type="GZIP").batch(1024):
        parsed = tf.io.parse_example(batch, spec)
        table = {name: [cell.decode() for cell in parsed[name].numpy()] for name in _COLUMNS}
        tastes = [tuple(label.decode() for label in row) for row in parsed["tastes"].to_list()]
        numbers = {name: parsed[name].numpy() for name in ("tastes_labelled", "rating")}
        tables.append(pd.DataFrame({**table, "tastes": tastes, **numbers}))
    return pd.concat(tables, ignore_index=True)
