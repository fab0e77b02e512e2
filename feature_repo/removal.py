"""Taking keys out of an online store; Feast itself only drops whole views.

Source: the layout of keys is Feast's, docs/specs/online_store_format.md of its repository.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from feast import FeatureStore, FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import _mmh3, _redis_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from feature_repo.store_config import PROJECT

_FORMAT = 3
_BATCH = 1000


def remove_keys(store: FeatureStore, view: FeatureView, keys: Iterable[tuple[str, ...]], names: Sequence[str]) -> None:
    """Removes the values that a view has for some keys.

    Args:
        store: with SQLite or Redis online.
        view: whose values.
        keys: values of the entity columns.
        names: the entity columns, in the order of `keys`.
    """
    encoded = [entity_key(names, key) for key in keys]
    if not encoded:
        return
    if store.config.online_store.type == "redis":
        _from_redis(store, view, encoded)
    else:
        _from_sqlite(store, view, encoded)


def entity_key(names: Sequence[str], values: tuple[str, ...]) -> EntityKey:
    """As Feast encodes it: columns in the order of their names."""
    ordered = sorted(zip(names, values, strict=True))
    return EntityKey(
        join_keys=[name for name, _ in ordered], entity_values=[Value(string_val=value) for _, value in ordered]
    )


def _from_sqlite(store: FeatureStore, view: FeatureView, keys: list[EntityKey]) -> None:
    connection = sqlite3.connect(store.config.online_store.path, timeout=30)
    rows = [(serialize_entity_key(key, entity_key_serialization_version=_FORMAT),) for key in keys]
    try:
        with connection:
            connection.executemany(f'DELETE FROM "{PROJECT}_{view.name}" WHERE entity_key = ?', rows)  # noqa: S608
    finally:
        connection.close()


def _from_redis(store: FeatureStore, view: FeatureView, keys: list[EntityKey]) -> None:
    client: Any = store._get_provider().online_store._get_client(store.config.online_store)
    fields = [f"_ts:{view.name}", *(_mmh3(f"{view.name}:{field.name}") for field in view.features)]
    for start in range(0, len(keys), _BATCH):
        with client.pipeline(transaction=False) as pipe:
            for key in keys[start : start + _BATCH]:
                pipe.hdel(_redis_key(PROJECT, key, entity_key_serialization_version=_FORMAT), *fields)
            pipe.execute()
