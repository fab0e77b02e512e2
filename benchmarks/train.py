"""Training throughput against the Trainer of transformers: `python -m benchmarks.train [--quick]`.

Same layers, texts, batch, dropout and precision; each side runs its real training loop in a process of its own, the
sides take turns, and medians are compared.
"""

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers import peers_python
from benchmarks.report import describe_machine, keep, run_script, table
from benchmarks.training_workload import SIZES, make_texts
from models.bert.precision import resolve_precision
from sazon.errors import SazonError

BATCH = 32
_ROOT = Path(__file__).parent.parent
_DEFAULT = "Hugging Face default"


@dataclass(frozen=True)
class Side:
    """A way to train."""

    name: str
    module: str
    options: dict[str, Any] = field(default_factory=dict)

    def run(self, python: Path, size: str, seed: int) -> float:
        """Texts a second, in a process of its own."""
        options = json.dumps({"name": size, "batch": BATCH, "seed": seed, **self.options})
        done = subprocess.run(
            [str(python), "-m", self.module, options], cwd=_ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SazonError(f"{self.name} failed: {done.stderr.strip().splitlines()[-1]}")
        return float(json.loads(done.stdout.strip().splitlines()[-1])["texts_per_s"])


def sides(precision: str) -> list[Side]:
    """Sazón, the default of its peer, and the peer tuned: sorted by length, in the fastest precision."""
    peer = "benchmarks.train_hugging_face"
    ours = [Side("Sazón", "benchmarks.train_sazon", {"precision": "float32"})]
    theirs = [Side(_DEFAULT, peer, {"precision": "float32", "sampling": "random"})]
    if precision != "float32":
        ours.append(Side(f"Sazón, {precision}", "benchmarks.train_sazon", {"precision": precision}))
    tuned = {"precision": precision, "sampling": "group_by_length"}
    return [*theirs, Side(f"Hugging Face tuned: sorted by length, {precision}", peer, tuned), *ours]


def measure(size: str, rounds: int, contenders: list[Side], peers: Path) -> dict[str, list[float]]:
    """Texts a second by side, one figure a round."""
    found: dict[str, list[float]] = {side.name: [] for side in contenders}
    for number in range(rounds):
        for side in contenders:
            python = Path(sys.executable) if side.module.endswith("sazon") else peers
            found[side.name].append(side.run(python, size, seed=number))
            print(f"{size}, round {number + 1}: {side.name} {found[side.name][-1]:.1f} texts/s", file=sys.stderr)
    return found


def rows_of(size: str, found: dict[str, list[float]], peak_gflops: float) -> list[list[str]]:
    """The table's rows of one size."""
    texts = make_texts(4096, SIZES[size].vocabulary)
    flops_per_text = SIZES[size].flops(texts.lengths) / len(texts.tokens)
    medians = {name: statistics.median(figures) for name, figures in found.items()}
    tuned = next(name for name in medians if "tuned" in name)
    return [
        [
            f"{size} · {name}",
            f"{medians[name]:.1f}",
            f"{min(figures):.1f}–{max(figures):.1f}",
            f"{medians[name] / medians[_DEFAULT]:.2f}",
            f"{medians[name] / medians[tuned]:.2f}",
            f"{medians[name] * flops_per_text / 1e9 / peak_gflops:.0%}",
        ]
        for name, figures in found.items()
    ]


def main() -> None:
    """Measures, prints, keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small alone, one round")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", help="interpreter with torch, transformers and accelerate")
    chosen = parser.parse_args()
    sizes, rounds = (["small"], 1) if chosen.quick else (chosen.sizes, chosen.rounds)
    peers, machine = peers_python(chosen.peers), describe_machine("tensorflow-cpu", "keras", "numpy")
    contenders = sides(resolve_precision("auto"))
    found = {size: measure(size, rounds, contenders, peers) for size in sizes}
    rows = [row for size in sizes for row in rows_of(size, found[size], machine["fp32_gflops"])]
    head = ["size · side", "texts/s", "range", "× HF default", "× HF tuned", "of fp32 matrix peak"]
    text = f"""# Training throughput

{table(head, rows)}

`python -m benchmarks.train`: medians of {rounds} interleaved rounds, batch {BATCH}, texts of about 20 tokens
(log-normal, at most 64), dropout 0.1 (none inside attention), AdamW with clipping. *Hugging Face default*: Trainer of
transformers on PyTorch, fused AdamW, SDPA, float32, dynamic padding, random order. The last column counts real tokens
only, against the best numpy matrix product here ({machine["fp32_gflops"]} GFLOP/s). {machine["processor"]},
{machine["cores"]} cores, formats {", ".join(machine["formats"]) or "none"}; {machine["measured_at"]}."""
    print(text)
    if not chosen.quick:
        keep("train", text, {"machine": machine, "batch": BATCH, "texts_per_s": found})


if __name__ == "__main__":
    run_script(main)
