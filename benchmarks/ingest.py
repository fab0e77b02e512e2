"""Rows a second and memory of `sazon ingest`: `python -m benchmarks.ingest [--quick]`.

Generated rows (synthetic) of 100 k and 1 M; each measurement has a process of its own, on one core. The peer reads the
same file by pandas and checks the same columns by pandera, and does nothing else: no repair, no redaction, no
duplicates, no store.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.ingest_workload import write_csv
from benchmarks.report import describe_machine, keep, run_script, table
from sazon.errors import SazonError

_ROOT = Path(__file__).parent.parent
WAYS: Final = {
    "sazon ingest": "all of it",
    "no near duplicates": "sazon ingest --no-near",
    "no near duplicates, no redaction": "for comparison only: there is no such option",
    "pandas + pandera": "the peer",
}


def ingest(path: Path, folder: Path, way: str) -> int:
    """Rows accounted for."""
    from data.ingest import judging
    from data.ingest.ingestion import ingest_file
    from data.store import FeedbackStore

    if way.endswith("no redaction"):
        judging.redact_all = lambda texts: (texts, {})
    report = ingest_file(FeedbackStore(folder), path, near=way == "sazon ingest")
    return report.counts["rows"]


def read_by_pandas(path: Path) -> int:
    """Rows checked."""
    import pandas as pd
    import pandera.pandas as pa

    from sazon.schema import CHANNELS, MAX_TEXT_CHARS, REGIONS, SENTIMENTS, TASTES

    filled = pa.Column(str, pa.Check.str_length(1, 200))
    schema = pa.DataFrameSchema(
        {
            "feedback_id": filled,
            "created_at": pa.Column(
                str,
                pa.Check(lambda cells: pd.to_datetime(cells, utc=True, errors="coerce", format="ISO8601").notna()),
            ),
            "text": pa.Column(str, pa.Check.str_length(1, MAX_TEXT_CHARS)),
            "product": filled,
            "category": filled,
            "region": pa.Column(str, pa.Check.isin(REGIONS)),
            "channel": pa.Column(str, pa.Check.isin(CHANNELS)),
            "rating": pa.Column(str, pa.Check.isin(("", "1", "2", "3", "4", "5"))),
            "sentiment": pa.Column(str, pa.Check.isin(("", *SENTIMENTS))),
            "tastes": pa.Column(str, pa.Check.str_matches(rf"^(?:(?:{'|'.join(TASTES)})?\|?)*$")),
        }
    )
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    try:
        schema.validate(rows, lazy=True)
    except pa.errors.SchemaErrors as error:
        return len(rows) if len(error.failure_cases) else 0
    return len(rows)


def measure(path: Path, way: str) -> dict[str, float]:
    """Seconds of work and of processor, and peak memory, of this process."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        _warm_up(Path(folder), way)
        started_s, busy_s = time.perf_counter(), time.process_time()
        rows = read_by_pandas(path) if way == "pandas + pandera" else ingest(path, Path(folder) / "store", way)
        seconds, cpu_s = time.perf_counter() - started_s, time.process_time() - busy_s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": rows, "seconds": seconds, "cpu_s": cpu_s, "peak_mb": peak_mb}


def _warm_up(folder: Path, way: str) -> None:
    """Imports and first calls."""
    small = write_csv(folder / "small.csv", 200)
    if way == "pandas + pandera":
        read_by_pandas(small)
    else:
        ingest(small, folder / "warm", way)


def measure_apart(path: Path, way: str) -> dict[str, float]:
    """`measure` in a process of its own, on one core."""
    command = [sys.executable, "-m", "benchmarks.ingest", "--measure", str(path), way]
    environment = {**os.environ, "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    core = min(os.sched_getaffinity(0))
    done = subprocess.run(
        command,
        cwd=_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    if done.returncode:
        raise SazonError(f"{way} failed: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def describe(figures: dict[str, dict[str, dict[str, float]]]) -> str:
    """Markdown."""
    body = []
    for rows, by_way in figures.items():
        peer = by_way["pandas + pandera"]
        for way, one in by_way.items():
            rate, cpu_rate = one["rows"] / one["seconds"], one["rows"] / one["cpu_s"]
            over_peer = one["seconds"] / peer["seconds"]
            figures_shown = [f"{rate:,.0f}", f"{cpu_rate:,.0f}", f"{over_peer:.2f}", f"{one['peak_mb']:,.0f}"]
            body.append([f"{int(rows):,} · {way}", *figures_shown])
    head = ["rows · what", "rows/s", "rows per second of processor", "time over pandas + pandera", "peak RSS, MB"]
    return f"# Ingest\n\n{table(head, body)}\n{_linearity(figures)}\n\n{_NOTE}"


def _linearity(figures: dict[str, dict[str, dict[str, float]]]) -> str:
    if len(figures) < 2:
        return ""
    (few, less), *_, (many, more) = figures.items()
    lines = [""]
    for way in less:
        ratio = (more[way]["cpu_s"] / int(many)) / (less[way]["cpu_s"] / int(few))
        lines.append(f"- {way}: a row of {int(many):,} costs {ratio:.2f} times one of {int(few):,} (processor time)")
    return "\n".join(lines)


_NOTE: Final = """\
`python -m benchmarks.ingest`. One core, a process each, warmed up. The rows are generated (synthetic): 8 to 30 words,
1% bad, 1% exact and 1% near duplicates, 2% with a phone number; most hold a word after which a name could follow, so
redaction looks closely. pandas + pandera read and check, and do nothing else; sazon ingest also repairs, redacts,
finds duplicates, and writes Parquet by day, durably."""


def main() -> None:
    """Measures, prints, keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20,000 rows only, nothing kept")
    parser.add_argument("--measure", nargs=2, metavar=("FILE", "WAY"), help="measure in this process alone")
    chosen = parser.parse_args()
    if chosen.measure:
        print(json.dumps(measure(Path(chosen.measure[0]), chosen.measure[1])))
        return
    counts = [20_000] if chosen.quick else [100_000, 1_000_000]
    figures: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for rows in counts:
            path = write_csv(Path(folder) / f"{rows}.csv", rows)
            figures[str(rows)] = {way: measure_apart(path, way) for way in WAYS}
            print(describe({str(rows): figures[str(rows)]}), flush=True)
    text = describe(figures)
    print(text)
    if not chosen.quick:
        keep("ingest", text, {"machine": describe_machine("polars", "pandas", "pandera"), "by_rows": figures})


if __name__ == "__main__":
    run_script(main)
