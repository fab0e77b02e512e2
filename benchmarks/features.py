"""Online reads through the gateway's reader and Feast beside the bare store: `python -m benchmarks.features [--quick]`.

The bare read gets the same values by the same key in one statement (SQLite) or one command (Redis), and does not decode
them. Ways take turns, read by read, on the same keys. A second table shows how long the features of a million rows
take.
"""

import argparse
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.report import describe_machine, keep, table
from sazon.errors import SazonError
from sazon.quiet import quiet_libraries
from sazon.settings import FeatureSettings

_VIEW, _PRODUCTS, _REGIONS = "product_region_stats", 40, 25
_READS, _ROWS, _MANY = 3000, 20_000, 1_000_000

Key = tuple[str, str]
Read = Callable[[Key], object]


def make_rows(count: int, seed: int = 0) -> pd.DataFrame:
    """Feedback of the last 800 days about a thousand pairs of product and region."""
    rng = np.random.default_rng(seed)
    ages = pd.to_timedelta(np.sort(rng.integers(86_400, 800 * 86_400, count))[::-1], unit="s")
    return pd.DataFrame(
        {
            "product": np.char.add("product ", rng.integers(0, _PRODUCTS, count).astype(str)),
            "region": np.char.add("region ", rng.integers(0, _REGIONS, count).astype(str)),
            "created_at": pd.Timestamp.now(tz="UTC").floor("s") - ages,
            "rating": rng.integers(1, 6, count).astype(float),
            "sentiment": rng.choice(["negative", "neutral", "positive", ""], count),
        }
    )


def measure_reads(folder: Path, settings: FeatureSettings, reads: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each way."""
    from feature_repo.materialisation import materialise

    rows = make_rows(_ROWS)
    materialise(rows, folder, settings)
    pairs = list(rows[["product", "region"]].drop_duplicates().itertuples(index=False, name=None))
    ways = _ways(folder, settings)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    rng = np.random.default_rng(1)
    for turn, place in enumerate(rng.integers(0, len(pairs), reads + 200)):
        for name, read in ways.items():
            started = time.perf_counter()
            read(pairs[place])
            if turn >= 200:
                taken[name].append(1000 * (time.perf_counter() - started))
    return {
        name: {"p50_ms": float(np.percentile(found, 50)), "p99_ms": float(np.percentile(found, 99))}
        for name, found in taken.items()
    }


def _ways(folder: Path, settings: FeatureSettings) -> dict[str, Read]:
    from feast import FeatureStore
    from feast.infra.key_encoding_utils import serialize_entity_key

    from feature_repo.removal import entity_key
    from serving.gateway.features import FeastFeatureReader

    reader, store = FeastFeatureReader(folder), FeatureStore(repo_path=str(folder))
    view = store.get_feature_view(_VIEW)
    references = [f"{_VIEW}:{field.name}" for field in view.features]

    def feast(key: Key) -> object:
        return store.get_online_features(references, [{"product": key[0], "region": key[1]}]).to_dict()

    names = ("product", "region")
    encode = lambda key: serialize_entity_key(entity_key(names, key), entity_key_serialization_version=3)  # noqa: E731
    bare = _bare_redis(settings, view, encode) if settings.online == "redis" else _bare_sqlite(folder, encode)
    return {"bare store": bare, "Feast": feast, "our reader": lambda key: reader.read(*key)}


def _bare_sqlite(folder: Path, encode: Callable[[Key], bytes]) -> Read:
    connection = sqlite3.connect(folder / "online.db")
    statement = f'SELECT feature_name, value, event_ts FROM "sazon_{_VIEW}" WHERE entity_key = ?'
    return lambda key: connection.execute(statement, (encode(key),)).fetchall()


def _bare_redis(settings: FeatureSettings, view: Any, encode: Callable[[Key], bytes]) -> Read:
    import redis
    from feast.infra.online_stores.helpers import _mmh3

    host, port = settings.redis.split(":")
    client = redis.Redis(host=host, port=int(port))
    fields = [f"_ts:{_VIEW}", *(_mmh3(f"{_VIEW}:{field.name}") for field in view.features)]
    return lambda key: client.hmget(encode(key) + b"sazon", fields)


@contextmanager
def redis_server(folder: Path) -> Iterator[FeatureSettings]:
    """A server of our own on a free loopback port.

    Raises:
        SazonError: there is no redis-server, or it does not answer.
    """
    server = shutil.which("redis-server")
    if server is None:
        raise SazonError("redis-server is not installed (Debian: apt-get install redis-server)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [server, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield FeatureSettings(online="redis", redis=f"127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(10)


def measure_history(rows: int) -> dict[str, float]:
    """Seconds that the figures of so many rows take, by what they are of."""
    from data.figures import FAMILIES, daily_history, latest_history
    from data.measures import from_pandas, measure_feedback
    from feature_repo.definitions import GROUPS

    frame = from_pandas(make_rows(rows)).collect()
    started = time.perf_counter()
    measured = measure_feedback(frame.lazy()).collect().lazy()
    taken = {"measures": time.perf_counter() - started}
    for group, keys in GROUPS.items():
        started = time.perf_counter()
        daily_history(measured, keys, tuple(FAMILIES))
        taken[group] = time.perf_counter() - started
    started = time.perf_counter()
    latest_history(measured, GROUPS["product_region"])
    return {**taken, "latest": time.perf_counter() - started}


def main() -> None:
    """Measures, prints, keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few reads and rows, nothing kept")
    quick = parser.parse_args().quick
    quiet_libraries()
    reads, rows = (300, 100_000) if quick else (_READS, _MANY)
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found["SQLite"] = measure_reads(folder / "sqlite", FeatureSettings(), reads)
        (folder / "server").mkdir()
        with redis_server(folder / "server") as settings:
            found["Redis"] = measure_reads(folder / "redis", settings, reads)
    history = measure_history(rows)
    text = _describe(found, history, reads, rows)
    print(text)
    if not quick:
        machine = describe_machine("feast", "polars", "redis")
        keep("features", text, {"machine": machine, "reads": found, "history_s": history, "rows": rows})


def _describe(found: dict[str, dict[str, dict[str, float]]], history: dict[str, float], reads: int, rows: int) -> str:
    lines = []
    for store, ways in found.items():
        bare = ways["bare store"]
        for way, line in ways.items():
            ratios = [f"{line[name] / bare[name]:.1f}" for name in ("p50_ms", "p99_ms")]
            lines.append([store, way, f"{line['p50_ms']:.2f}", f"{line['p99_ms']:.2f}", *ratios])
    head = ["store", "way", "p50, ms", "p99, ms", "p50 over bare", "p99 over bare"]
    steps = [[name, f"{seconds:.1f}"] for name, seconds in [*history.items(), ("all", sum(history.values()))]]
    return f"""# Feature store

{table(head, lines)}

{reads:,} reads of `{_VIEW}` (six features) by one client, ways taking turns on the same keys.

{table(["figures", "seconds"], steps)}

{rows:,} rows, {_PRODUCTS} products, {_REGIONS} regions, 800 days: all figures of all days, in polars."""


if __name__ == "__main__":
    main()
