"""The one definition of columns, label sets and closed vocabularies.

Everything that reads, checks, trains on, serves or shows feedback imports its names from here.
"""

from typing import Final

SENTIMENTS: Final = ("negative", "neutral", "positive")
"""Sentiment classes, in the order of every probability vector."""

TASTES: Final = (
    "dulce",
    "salado",
    "picante",
    "acido",
    "amargo",
    "umami",
    "crocante",
    "cremoso",
    "fresco",
    "grasoso",
)
"""Taste labels, in the order of every multi-label vector."""

REGIONS: Final = (
    "Amazonas",
    "Áncash",
    "Apurímac",
    "Arequipa",
    "Ayacucho",
    "Cajamarca",
    "Callao",
    "Cusco",
    "Huancavelica",
    "Huánuco",
    "Ica",
    "Junín",
    "La Libertad",
    "Lambayeque",
    "Lima",
    "Loreto",
    "Madre de Dios",
    "Moquegua",
    "Pasco",
    "Piura",
    "Puno",
    "San Martín",
    "Tacna",
    "Tumbes",
    "Ucayali",
)
"""The 24 departments of Peru and the constitutional province of Callao."""

CHANNELS: Final = ("app", "encuesta", "redes", "tienda", "delivery")

SPLITS: Final = ("train", "eval", "test")
"""`train` fits, `eval` stops early and chooses thresholds, `test` is only reported on."""

TASTE_SEPARATOR: Final = "|"
"""Between the labels of one `tastes` cell: `picante|acido`."""

MAX_TEXT_CHARS: Final = 10_000
"""A longer feedback text is a mistake of whoever made the file."""

FEEDBACK_REQUIRED: Final = (
    "feedback_id",
    "created_at",
    "text",
    "product",
    "category",
    "region",
    "channel",
    "rating",
    "sentiment",
    "tastes",
)
"""Columns that a feedback file must have; `rating`, `sentiment` and `tastes` may be empty in a row."""

FEEDBACK_OPTIONAL: Final = ("source", "family", "split")
"""Who made the row; which rows share a pattern and are never divided by the split; the split itself."""

MARKET_REQUIRED: Final = ("date", "product", "region", "search_index", "units_sold", "price_pen")

MODEL_NAME: Final = "taste"
"""The registered model, and its name at the serving endpoint."""

# The serving signature, shared by the export, the servers and every client.
INPUT_TEXT: Final = "text"
INPUT_CONTEXT: Final = "context"
OUTPUT_SENTIMENT: Final = "sentiment"
OUTPUT_SENTIMENT_PROBS: Final = "sentiment_probs"
OUTPUT_TASTES: Final = "tastes"
OUTPUT_TASTE_PROBS: Final = "taste_probs"

CONTEXTUAL_SIGNATURE: Final = "contextual"
EXPLANATION_SIGNATURE: Final = "explain"
OUTPUT_TOKENS: Final = "tokens"
OUTPUT_ATTRIBUTIONS: Final = "attributions"
OUTPUT_SENTIMENT_INDEX: Final = "sentiment_index"
