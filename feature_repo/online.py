"""Bringing the online store up to date: only what changed is written, and keys that are gone are removed.

What the store holds is remembered in one small file for each view. Before a write, keys in question are marked there as
unsure, so that whatever a killed process left is put right by the next one.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl
from feast import FeatureStore

from data.history import CREATED_TIMESTAMP, EVENT_TIMESTAMP
from feature_repo.definitions import LATEST_VIEW, PUSH_SOURCE, view_keys
from feature_repo.removal import remove_keys
from feature_repo.store_config import online
from sazon.settings import FeatureSettings

_DIGEST: Final = "digest"
_BATCH: Final = 5000


@dataclass(frozen=True)
class Change:
    """What was done to one view: keys it has now, keys written, keys removed."""

    keys: int
    written: int
    removed: int


class OnlineState:
    """What the online store is known to hold of each view."""

    def __init__(self, folder: Path, settings: FeatureSettings) -> None:
        """Of the online store that the settings name; another one begins with nothing."""
        named = hashlib.sha256(json.dumps(online(folder, settings), sort_keys=True).encode()).hexdigest()[:12]
        self._folder = folder / "online" / named
        if settings.online == "sqlite" and not (folder / "online.db").exists():
            self.forget()

    def read(self, view: str) -> pl.DataFrame:
        """The entity columns and a digest of the values; null where it is not sure what is there."""
        path = self._path(view)
        if path.exists():
            return pl.read_parquet(path)
        return pl.DataFrame(schema={**dict.fromkeys(view_keys(view), pl.String), _DIGEST: pl.UInt64})

    def write(self, view: str, held: pl.DataFrame) -> None:
        """Replaces the file as a whole."""
        self._folder.mkdir(parents=True, exist_ok=True)
        staged = self._folder / f".{view}.partial"
        held.write_parquet(staged)
        staged.replace(self._path(view))

    def forget(self) -> None:
        """Makes the next call write everything; keys are still known, so that those that are gone are removed."""
        for path in self._folder.glob("*.parquet"):
            self.write(path.stem, self.read(path.stem).with_columns(pl.lit(None, pl.UInt64).alias(_DIGEST)))

    def _path(self, view: str) -> Path:
        return self._folder / f"{view}.parquet"


def bring_up_to_date(
    store: FeatureStore, state: OnlineState, view: str, values: pl.DataFrame, *, whole: bool = True
) -> Change:
    """Writes what differs from what the store holds.

    Args:
        store: Feast, with the view declared.
        state: what it holds.
        view: name of the view.
        values: one row for each key, with the features and both timestamps.
        whole: whether keys that are not in `values` leave the store.
    """
    keys, declared = view_keys(view), store.get_feature_view(view)
    features = [field.name for field in declared.features]
    known = values.select(*keys, *features, EVENT_TIMESTAMP, CREATED_TIMESTAMP).filter(
        pl.any_horizontal(pl.col(*features).is_not_null())
    )
    wanted = known.with_columns(known.hash_rows(seed=1).alias(_DIGEST))
    held = state.read(view)
    changed = wanted.join(held.drop_nulls(_DIGEST), on=[*keys, _DIGEST], how="anti")
    gone = held.join(wanted, on=keys, how="anti")
    if not whole:
        gone = gone.join(values, on=keys, how="semi")
    kept = held.join(pl.concat([changed.select(keys), gone.select(keys)]), on=keys, how="anti")
    if len(changed) or len(gone):
        unsure = pl.concat([changed.select(keys), gone.select(keys)]).with_columns(
            pl.lit(None, pl.UInt64).alias(_DIGEST)
        )
        state.write(view, pl.concat([kept, unsure]))
        remove_keys(store, declared, gone.select(keys).rows(), keys)
        for part in changed.drop(_DIGEST).iter_slices(_BATCH):
            _send(store, view, part)
        state.write(view, pl.concat([kept, changed.select(*keys, _DIGEST)]))
    return Change(len(kept) + len(changed), len(changed), len(gone))


def _send(store: FeatureStore, view: str, values: pl.DataFrame) -> None:
    table: Any = values.to_pandas()
    if view == LATEST_VIEW:
        store.push(PUSH_SOURCE, table)
    else:
        store.write_to_online_store(view, table)
