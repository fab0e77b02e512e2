"""SavedModels of a few operations each, whose answers show which version gave them."""

from pathlib import Path

import tensorflow as tf

SECONDS_A_STEP = 1e-3


def export_toy(folder: Path, version: int) -> Path:
    """Signatures: texts, `add` (a + b), `total` (a scalar), `slow` (steps of a loop), `double`, and of every type."""

    class Toy(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def serve(self, text):
            length = tf.cast(tf.strings.length(text), tf.float32)
            label = tf.fill(tf.shape(text), f"v{version}")
            return {"label": label, "score": tf.stack([length, length / 3], axis=1), "copy_bytes": tf.identity(text)}

        @tf.function(
            input_signature=[tf.TensorSpec([None], tf.float32, name="a"), tf.TensorSpec([None], tf.int32, name="b")]
        )
        def add(self, a, b):
            return {"y": a + tf.cast(b, tf.float32)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def total(self, x):
            return {"sum": tf.reduce_sum(x)}

        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="x")])
        def double(self, x):
            return {"y": 2 * x, "version": tf.fill([tf.shape(x)[0]], version)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="steps")])
        def slow(self, steps):
            ends = tf.while_loop(
                lambda at, _: at < tf.reduce_max(steps),
                lambda at, kept: (at + 1, kept * 0.5 + tf.reduce_sum(tf.random.normal([200_000])) * 1e-9),
                [0, tf.constant(0.0)],
            )
            return {"y": tf.cast(steps, tf.float32) + 0 * ends[1]}

        @tf.function(
            input_signature=[
                tf.TensorSpec([None], kind, name=kind.name)
                for kind in (tf.bool, tf.float64, tf.int64, tf.uint8, tf.string)
            ]
        )
        def types(self, *values):
            return {f"{value.dtype.name}_out": tf.identity(value) for value in values}

    module = Toy()
    names = ("add", "total", "double", "slow", "types")
    signatures = {name: getattr(module, name) for name in names}
    staging = folder / f".{version}.partial"
    tf.saved_model.save(module, str(staging), signatures={"serving_default": module.serve, **signatures})
    return staging.rename(folder / str(version))


def export_examples(folder: Path, version: int) -> Path:
    """Classify and regress: of features `x` (float) and `name` (bytes); scores are x and 1 - x, the value is 2 x."""
    v1 = tf.compat.v1
    staging = folder / f".{version}.partial"
    with tf.Graph().as_default(), v1.Session() as session:
        given = v1.placeholder(tf.string, [None], name="examples")
        spec = {"x": tf.io.FixedLenFeature([], tf.float32, 0.0), "name": tf.io.FixedLenFeature([], tf.string, "nadie")}
        parsed = tf.io.parse_example(given, spec)
        scores = tf.stack([parsed["x"], 1 - parsed["x"]], axis=1)
        classes = tf.stack([parsed["name"], tf.fill(tf.shape(given), "otro")], axis=1)
        definitions = {
            "serving_default": v1.saved_model.classification_signature_def(given, classes, scores),
            "scores_only": v1.saved_model.classification_signature_def(given, None, scores),
            "regress": v1.saved_model.regression_signature_def(given, 2 * parsed["x"]),
            "predict": v1.saved_model.predict_signature_def({"inputs": given}, {"scores": scores, "more": 2 * scores}),
            "wide": v1.saved_model.regression_signature_def(given, scores),
        }
        builder = v1.saved_model.Builder(str(staging))
        builder.add_meta_graph_and_variables(session, ["serve"], definitions)
        builder.save()
    return staging.rename(folder / str(version))
