"""Peak memory of training as rows grow: `python -m benchmarks.memory [--quick]`.

Each number of rows has a process of its own: rows are generated and streamed into a store, some steps are trained, and
the batches of a whole epoch are made. Beside the peak it shows anonymous memory; the rest is files that the system
keeps in memory while there is room.
"""

import argparse
import itertools
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.report import describe_machine, keep, run_script, table
from benchmarks.training_workload import make_texts
from sazon.errors import SazonError
from sazon.memory import keep_freed_memory
from sazon.quiet import quiet_libraries

_ROOT = Path(__file__).parent.parent
_PART_ROWS, _STEPS, _VOCABULARY = 1000, 20, 2000


def measure(rows: int) -> dict[str, float]:
    """Megabytes at the peak, and anonymous ones at the end of an epoch."""
    from models.bert.taste_model import TasteModel
    from models.inputs.batching import Batches, LabelWeights
    from models.inputs.example_store import ExampleStore, TokenisedRows
    from models.training.engine import Engine
    from models.training.optimiser import make_optimiser
    from sazon.settings import PRESETS, TrainSettings

    def parts() -> Iterator[TokenisedRows]:
        for part in range(rows // _PART_ROWS):
            texts = make_texts(_PART_ROWS, _VOCABULARY, seed=part)
            tastes = np.random.default_rng(part).random((_PART_ROWS, 10)) < 0.3
            yield TokenisedRows(texts.tokens, texts.labels, tastes, np.ones(_PART_ROWS, bool))

    with tempfile.TemporaryDirectory() as name:
        store, settings = ExampleStore.write(Path(name), parts()), TrainSettings()
        model = TasteModel(_VOCABULARY, PRESETS["tiny"], settings)
        batches = Batches(store, settings, LabelWeights.balancing(store), mask_id=4)
        engine = Engine(model, make_optimiser(settings, model.encoder, len(batches)))
        for batch in itertools.islice(batches.of_epoch(0), _STEPS):
            engine.step(batch)
        made = sum(1 for _ in batches.of_epoch(1))
    assert made == len(batches)
    return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "anonymous_mb": _anonymous_mb()}


def _anonymous_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024


def measure_apart(rows: int) -> dict[str, float]:
    """`measure` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory", "--rows", str(rows)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SazonError(f"{rows} rows failed: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    """Measures, prints, keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="no million rows, nothing kept")
    parser.add_argument("--rows", type=int, help="measure so many rows in this process alone")
    chosen = parser.parse_args()
    if chosen.rows:
        quiet_libraries()
        keep_freed_memory()
        print(json.dumps(measure(chosen.rows)))
        return
    counts = [10_000, 100_000] + ([] if chosen.quick else [1_000_000])
    found = {rows: measure_apart(rows) for rows in counts}
    shown = [[f"{rows:,}", f"{one['peak_mb']:,.0f}", f"{one['anonymous_mb']:,.0f}"] for rows, one in found.items()]
    machine = describe_machine("tensorflow-cpu", "keras", "numpy")
    text = f"""# Memory of training

{table(["rows", "peak, MB", "of it anonymous, MB"], shown)}

`python -m benchmarks.memory`: rows streamed into the store, {_STEPS} steps of the tiny encoder, then the batches of
a whole epoch. The store's files are mapped: what is not anonymous, the system takes back when it needs room."""
    print(text)
    if not chosen.quick:
        keep("memory", text, {"machine": machine, "by_rows": found})


if __name__ == "__main__":
    run_script(main)
