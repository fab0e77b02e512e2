"""Names of the transformed features, shared by preprocessing, training and evaluation."""

from typing import Final

TOKENS: Final = "tokens"
SENTIMENT_LABEL: Final = "sentiment_label"
SENTIMENT_WEIGHT: Final = "sentiment_weight"
TASTE_LABELS: Final = "taste_labels"
TASTE_WEIGHT: Final = "taste_weight"
CONTEXT: Final = "context"

# What Transform passes to the model beside the raw columns.
CONFIG_TOKENISER: Final = "tokeniser_dir"
CONFIG_MAX_TOKENS: Final = "max_tokens"
