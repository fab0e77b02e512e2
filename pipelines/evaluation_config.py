"""What the Evaluator measures: sentiment on the test split, by region, channel and category, with its threshold."""

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from models.export.frozen_model import EVALUATION_SIGNATURE, TRANSFORM_SIGNATURE
from models.inputs import features
from sazon.schema import OUTPUT_SENTIMENT_PROBS

_ABOVE_MAJORITY = 0.01
_SLICES = ("region", "channel", "category")


def evaluation_config(majority_share: float) -> tfma.EvalConfig:
    """The Evaluator blesses only an accuracy above that of always answering the majority class.

    Args:
        majority_share: share of the majority class in the test split, 0–1.
    """
    above_majority = tfma.MetricThreshold(
        value_threshold=tfma.GenericValueThreshold(lower_bound={"value": majority_share + _ABOVE_MAJORITY})
    )
    # A threshold of the metric itself would hold for every slice, also for those of twenty rows.
    overall = config_pb2.PerSliceMetricThreshold(slicing_specs=[tfma.SlicingSpec()], threshold=above_majority)
    accuracy = tfma.MetricConfig(class_name="SparseCategoricalAccuracy", per_slice_thresholds=[overall])
    others = [tfma.MetricConfig(class_name=name) for name in ("ExampleCount", "SparseCategoricalCrossentropy")]
    return tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(
                signature_name=EVALUATION_SIGNATURE,
                preprocessing_function_names=[TRANSFORM_SIGNATURE],
                prediction_key=OUTPUT_SENTIMENT_PROBS,
                label_key=features.SENTIMENT_LABEL,
                example_weight_key=features.SENTIMENT_WEIGHT,
                model_type="tf_generic",
            )
        ],
        slicing_specs=[tfma.SlicingSpec(), *(tfma.SlicingSpec(feature_keys=[name]) for name in _SLICES)],
        metrics_specs=[tfma.MetricsSpec(metrics=[accuracy, *others])],
    )
