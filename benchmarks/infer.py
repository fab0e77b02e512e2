"""Inference in process against onnxruntime and PyTorch: `python -m benchmarks.infer [--quick]`.

Same weights and texts, tokenisers counted on every side; each side runs in a process of its own, the sides take turns,
and medians are compared.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.inference_workload import BATCH, LONGEST, Times, make_texts, make_vocabulary
from benchmarks.peers import peers_python
from benchmarks.report import RESULTS, describe_machine, keep, run_script, table
from benchmarks.training_workload import SIZES
from models.bert.precision import resolve_precision, resolve_served
from sazon.errors import SazonError

_ROOT = Path(__file__).parent.parent
_FP32, _INT8 = "onnxruntime fp32", "onnxruntime int8"
_CALIBRATION = 256  # texts that show the ranges of int8
_CALLS = {"small": (200, 20), "base": (30, 4)}  # single texts and batches, a round


@dataclass(frozen=True)
class Side:
    """A way to answer: `form` of the model, by `module`, on `threads`."""

    name: str
    module: str
    form: str
    threads: int

    def run(self, python: Path, folder: Path, calls: tuple[int, int]) -> dict[str, Any]:
        """Seconds of its calls, and some probabilities."""
        options = {"folder": str(folder), "form": self.form, "threads": self.threads}
        options |= dict(zip(("singles", "batches"), calls, strict=True))
        command = [str(python), "-m", self.module, json.dumps(options)]
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SazonError(f"{self.name} failed: {done.stderr.strip().splitlines()[-1]}")
        return json.loads(done.stdout.strip().splitlines()[-1])


def sides(formats: tuple[str, ...], threads: int) -> list[Side]:
    """Sazón's exports on one thread and on all, and the peers on all."""
    counts = sorted({1, threads})
    ours = [
        Side(f"Sazón {form}, {count} thread{'s' * (count > 1)}", "benchmarks.infer_sazon", form, count)
        for form in formats
        for count in counts
    ]
    peers = [(_FP32, "onnx"), (_INT8, "int8"), ("PyTorch fp32", "pytorch")]
    return [*ours, *(Side(name, "benchmarks.infer_peers", form, threads) for name, form in peers)]


def prepare(folder: Path, size: str, formats: tuple[str, ...]) -> None:
    """Random weights as SavedModels, one a precision, and as a transformers checkpoint; the texts beside them."""
    from models.bert.packing import pack_ragged
    from models.bert.taste_model import TasteModel
    from models.checkpoints.finetuned import Answering, write_finetuned, write_for_transformers
    from models.export.frozen_model import TasteServing, read_to_serve
    from models.export.int8 import input_ranges
    from models.text.tokeniser import Tokeniser
    from sazon.settings import EncoderSettings

    shape = SIZES[size]
    vocabulary = make_vocabulary(shape.vocabulary)
    settings = EncoderSettings(
        layers=shape.layers,
        hidden=shape.hidden,
        heads=shape.heads,
        intermediate=shape.intermediate,
        vocabulary=shape.vocabulary,
        max_tokens=LONGEST,
    )
    model, tokeniser, texts = (
        TasteModel(len(vocabulary), settings),
        Tokeniser(vocabulary, accents="keep"),
        make_texts(vocabulary),
    )
    ranges = input_ranges(model.encoder, [pack_ragged(tokeniser.tokenise(texts[:_CALIBRATION], LONGEST))])
    answering = Answering(tokeniser, LONGEST, [0.5] * 10, input_ranges=ranges)
    write_finetuned(folder / "finetuned", model, answering)
    write_for_transformers(folder / "finetuned", folder / "checkpoint", "sentiment")
    for precision in formats:
        TasteServing(*read_to_serve(folder / "finetuned", precision)).save(folder / precision)
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")


def measure(size: str, rounds: int, contenders: list[Side], formats: tuple[str, ...], peers: Path) -> dict[str, Times]:
    """Seconds of every call by side; sides take turns."""
    found: dict[str, Times] = {side.name: {"single_s": [], "batch_s": [], "sample": []} for side in contenders}
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name), size, formats)
        for number in range(rounds):
            for side in contenders:
                python = Path(sys.executable) if side.module.endswith("sazon") else peers
                answer = side.run(python, Path(name), _CALLS[size])
                for kind in ("single_s", "batch_s"):
                    found[side.name][kind] += answer[kind]
                found[side.name]["sample"] = answer["sample"]
                print(f"{size}, round {number + 1}: {side.name}", file=sys.stderr)
    return found


def summarise(found: dict[str, Times]) -> dict[str, dict[str, float]]:
    """Medians by side, and their ratios to onnxruntime."""
    figures = {}
    for name, times in found.items():
        figures[name] = {
            "single_p50_ms": float(np.median(times["single_s"])) * 1e3,
            "single_p99_ms": float(np.percentile(times["single_s"], 99)) * 1e3,
            "batch_texts_per_s": BATCH / float(np.median(times["batch_s"])),
            "largest_difference": float(np.abs(np.subtract(times["sample"], found[_FP32]["sample"])).max()),
        }
    for row in figures.values():
        row["single_of_fp32"] = row["single_p50_ms"] / figures[_FP32]["single_p50_ms"]
        row["batch_of_int8"] = row["batch_texts_per_s"] / figures[_INT8]["batch_texts_per_s"]
    return figures


def rows_of(size: str, figures: dict[str, dict[str, float]]) -> list[list[str]]:
    """The table's rows of one size."""
    return [
        [
            f"{size} · {name}",
            f"{row['single_p50_ms']:.2f}",
            f"{row['single_p99_ms']:.2f}",
            f"{row['single_of_fp32']:.2f}",
            f"{row['batch_texts_per_s']:.0f}",
            f"{row['batch_of_int8']:.2f}",
            f"{row['largest_difference']:.0e}",
        ]
        for name, row in figures.items()
    ]


def plot(figures: dict[str, dict[str, dict[str, float]]], path: Path) -> None:
    """Bars of latency and throughput, a row for each size."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(figures), 2, figsize=(11, 2.6 * len(figures)), squeeze=False)
    titles = {"single_p50_ms": "one text, p50 (ms)", "batch_texts_per_s": f"batch {BATCH} (texts/s)"}
    for row, (size, by_side) in zip(axes, figures.items(), strict=True):
        for axis, (key, title) in zip(row, titles.items(), strict=True):
            colours = ["tab:red" if name.startswith("Sazón") else "tab:gray" for name in by_side]
            axis.barh(list(by_side), [side[key] for side in by_side.values()], color=colours)
            axis.set_title(f"{size}: {title}")
            axis.invert_yaxis()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measures, prints, keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small alone, one round, nothing kept")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", help="interpreter with torch, transformers, onnx and onnxruntime")
    chosen = parser.parse_args()
    sizes, rounds = (["small"], 1) if chosen.quick else (chosen.sizes, chosen.rounds)
    peers, machine = peers_python(chosen.peers), describe_machine("tensorflow-cpu", "numpy")
    formats = tuple(dict.fromkeys(("float32", resolve_precision("auto"), resolve_served("auto"))))
    contenders = sides(formats, machine["cores"])
    figures = {size: summarise(measure(size, rounds, contenders, formats, peers)) for size in sizes}
    head = [
        "size · side",
        "one text p50 ms",
        "p99",
        "÷ onnxruntime fp32",
        "batch 32 texts/s",
        "× onnxruntime int8",
        "differs",
    ]
    text = f"""# Inference in process

{table(head, [row for size in sizes for row in rows_of(size, figures[size])])}

`python -m benchmarks.infer`: {rounds} interleaved rounds, medians; random weights, the same on every side; texts of
about 20 tokens (log-normal, at most {LONGEST}). Tokenisers are counted: Sazón's is part of the graph, the peers use
transformers' fast one with dynamic padding. Lower is better in the fourth column, higher in the sixth; *differs*:
largest difference of a probability from {_FP32}. {machine["processor"]}, {machine["cores"]} cores, formats
{", ".join(machine["formats"]) or "none"}; {machine["measured_at"]}."""
    print(text)
    if not chosen.quick:
        keep("infer", text, {"machine": machine, "batch": BATCH, "figures": figures})
        plot(figures, RESULTS / "infer.png")


if __name__ == "__main__":
    run_script(main)
