"""The curated schema of the raw examples, made from the one definition in `sazon.schema`."""

from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from data.context import CONTEXT, is_count
from sazon.schema import CHANNELS, REGIONS, SENTIMENTS, TASTES

_TEXT_COLUMNS = ("feedback_id", "created_at", "text", "product", "category", "region", "channel", "source", "family")
_DOMAINS = {"region": REGIONS, "channel": CHANNELS, "sentiment": SENTIMENTS, "tastes": TASTES}


def curated_schema(context: bool = False) -> schema_pb2.Schema:
    """What ExampleValidator holds the data against, and what Transform parses it by; rows may carry their context."""
    schema = schema_pb2.Schema()
    for name in _TEXT_COLUMNS:
        _required(schema, name, schema_pb2.BYTES)
    # ExampleGen writes 0 as a missing value: 1 says labelled, absence says not.
    schema.feature.add(name="tastes_labelled", type=schema_pb2.INT, value_count=schema_pb2.ValueCount(max=1))
    rating = schema.feature.add(name="rating", type=schema_pb2.FLOAT, value_count=schema_pb2.ValueCount(max=1))
    rating.float_domain.CopyFrom(schema_pb2.FloatDomain(min=1, max=5))
    schema.feature.add(name="sentiment", type=schema_pb2.BYTES, value_count=schema_pb2.ValueCount(max=1))
    schema.feature.add(name="tastes", type=schema_pb2.BYTES, value_count=schema_pb2.ValueCount(max=len(TASTES)))
    for name in CONTEXT if context else ():
        known = schema.feature.add(name=name, type=schema_pb2.FLOAT, value_count=schema_pb2.ValueCount(max=1))
        known.float_domain.CopyFrom(schema_pb2.FloatDomain(min=1, max=None if is_count(name) else 5))
    for feature in schema.feature:
        if feature.name in _DOMAINS:
            feature.string_domain.value.extend(_DOMAINS[feature.name])
    return schema


def write_curated_schema(path: Path, context: bool = False) -> None:
    """Writes it as text, once: the file's age is part of the pipeline's cache key."""
    content = text_format.MessageToString(curated_schema(context))
    if not path.exists() or path.read_text(encoding="utf-8") != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def _required(schema: schema_pb2.Schema, name: str, kind: int) -> schema_pb2.Feature:
    return schema.feature.add(
        name=name,
        type=kind,
        presence=schema_pb2.FeaturePresence(min_fraction=1.0),
        shape=schema_pb2.FixedShape(dim=[schema_pb2.FixedShape.Dim(size=1)]),
    )
