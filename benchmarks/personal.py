"""Personal data found in hand-written comments: `python -m benchmarks.personal [--json] [--peers PYTHON]`.

A span counts as right if kind, beginning and end are those that were labelled. Beside it: the usual regular
expressions, and scrubadub if `--peers` names an interpreter that has it. Speed is on the shipped sample, one process.
"""

import argparse
import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from benchmarks.report import describe_machine, keep, run_script, table
from data import SAMPLE
from data.personal import redact, redact_all
from data.personal.kinds import Kind
from data.personal.redaction import locate
from sazon.errors import SazonError

_ROOT = Path(__file__).parent.parent
_COMMENTS = _ROOT / "tests" / "fixtures" / "personal"
_MARK = re.compile(r"\{([A-Z]+):([^{}]+)\}")
_PATTERNS = {
    "CORREO": re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"),
    "TARJETA": re.compile(r"\b(?:\d{4}[ -]?){3}\d{4}\b"),
    "RUC": re.compile(r"\b(?:10|20)\d{9}\b"),
    "TELEFONO": re.compile(r"(?:\+51 ?)?\b9\d{2}[ -]?\d{3}[ -]?\d{3}\b"),
    "DNI": re.compile(r"\b\d{8}\b"),
    "USUARIO": re.compile(r"(?<!\w)@\w+"),
    "ENLACE": re.compile(r"https?://\S+"),
    "DIRECCION": re.compile(r"\b(?:Av|Jr|Calle|Psje)\.? [\w ]+? \d+", re.IGNORECASE),
    "PERSONA": re.compile(
        r"(?<=\bSr\. )[A-Z]\w+|(?<=\bSra\. )[A-Z]\w+|(?<=\bsoy )[A-Z]\w+|(?<=\bllamo )[A-Z]\w+(?: [A-Z]\w+)?"
    ),
}

_FIGURES = ("precision", "recall", "f1", "hidden")
_Span = tuple[int, int, str]


class Comment(NamedTuple):
    """A text and what of it is personal."""

    text: str
    spans: list[_Span]


def read_comments(part: str) -> list[Comment]:
    """Reads a half of the labelled comments, `development` or `test`."""
    lines = (_COMMENTS / f"{part}.txt").read_text(encoding="utf-8").splitlines()
    return [read_marked(line) for line in lines if not line.startswith("#")]


def read_marked(line: str) -> Comment:
    """Takes the marks out of a line.

    >>> read_marked("soy {PERSONA:Ana}!")
    Comment(text='soy Ana!', spans=[(4, 7, 'PERSONA')])
    """
    text, spans, end = "", [], 0
    for match in _MARK.finditer(line):
        text += line[end : match.start()]
        spans.append((len(text), len(text) + len(match[2]), match[1]))
        text += match[2]
        end = match.end()
    return Comment(text + line[end:], spans)


def find_redacted(text: str) -> list[_Span]:
    """What `redact` replaces."""
    return [(span.start, span.end, span.kind.value) for span in locate(text)]


def find_patterns(text: str) -> list[_Span]:
    """What the usual regular expressions find; the earlier of two that overlap stays."""
    spans: list[_Span] = []
    for kind, form in _PATTERNS.items():
        for match in form.finditer(text):
            if all(match.end() <= start or match.start() >= end for start, end, _ in spans):
                spans.append((match.start(), match.end(), kind))
    return spans


def score(comments: Sequence[Comment], found: Sequence[Sequence[_Span]]) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 by kind and over all, and the share of labelled characters that no longer show."""
    wanted, got, right, hidden, characters = (Counter[str]() for _ in range(5))
    for comment, spans in zip(comments, found, strict=True):
        covered = {place for start, end, _ in spans for place in range(start, end)}
        for start, end, kind in comment.spans:
            for name in (kind, "all"):
                wanted[name] += 1
                right[name] += (start, end, kind) in spans
                hidden[name] += len(covered & set(range(start, end)))
                characters[name] += end - start
        for *_, kind in spans:
            got.update((kind, "all"))
    return {
        name: {
            "labelled": wanted[name],
            "found": got[name],
            "right": right[name],
            "precision": right[name] / got[name] if got[name] else 0.0,
            "recall": right[name] / wanted[name] if wanted[name] else 0.0,
            "f1": 2 * right[name] / (got[name] + wanted[name]),
            "hidden": hidden[name] / characters[name] if characters[name] else 0.0,
        }
        for name in [kind.value for kind in Kind if wanted[kind.value] or got[kind.value]] + ["all"]
    }


def find_scrubadub(python: str, texts: list[str]) -> tuple[list[list[_Span]], float]:
    """Spans, and seconds for all texts, of the peer in an interpreter of its own."""
    command = [python, str(Path(__file__).with_name("personal_scrubadub.py"))]
    done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SazonError(f"{python}: scrubadub failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    answer = json.loads(done.stdout)
    return [[(start, end, kind) for start, end, kind in spans] for spans in answer["spans"]], answer["seconds"]


def texts_per_s(work: Callable[[], object], texts: int, repeats: int = 3) -> float:
    """The best of some runs."""
    best = float("inf")
    for _ in range(repeats):
        started_s = time.process_time()
        work()
        best = min(best, time.process_time() - started_s)
    return texts / best


def measure(part: str, peers: str | None) -> dict[str, Any]:
    """Scores and speed of each."""
    comments = read_comments(part)
    texts = [comment.text for comment in comments]
    sample = pd.read_csv(SAMPLE)["text"].tolist()
    scores = {
        "sazon": score(comments, [find_redacted(text) for text in texts]),
        "patterns": score(comments, [find_patterns(text) for text in texts]),
    }
    speed = {
        "sazon": texts_per_s(lambda: redact_all(sample), len(sample)),
        "patterns": texts_per_s(lambda: [find_patterns(text) for text in sample], len(sample)),
    }
    if peers:
        scores["scrubadub"] = score(comments, find_scrubadub(peers, texts)[0])
        speed["scrubadub"] = 500 / find_scrubadub(peers, sample[:500])[1]
    clean = [comment.text for comment in comments if not comment.spans]
    untouched = sum(redact(text).text == text for text in clean)
    return {
        "part": part,
        "comments": len(comments),
        "clean": len(clean),
        "clean_untouched": untouched,
        "scores": scores,
        "texts_per_s": speed,
    }


def describe(figures: dict[str, Any]) -> str:
    """The tables for people."""
    rows = [
        [
            kind,
            *(f"{one[name]:.0f}" for name in ("labelled", "found", "right")),
            *(f"{one[name]:.3f}" for name in _FIGURES),
        ]
        for kind, one in figures["scores"]["sazon"].items()
    ]
    speed = figures["texts_per_s"]
    beside = [
        [
            name,
            *(f"{scores['all'][figure]:.3f}" for figure in _FIGURES),
            f"{speed[name]:,.0f}",
            f"{speed['sazon'] / speed[name]:.2f}",
        ]
        for name, scores in figures["scores"].items()
    ]
    return f"""# Personal data

{figures["comments"]} comments ({figures["part"]} half); of the {figures["clean"]} without personal data,
{figures["clean_untouched"]} came back unchanged.

{table(["kind", "labelled", "found", "right", "precision", "recall", "F1", "characters hidden"], rows)}

{table(["of all kinds", "precision", "recall", "F1", "characters hidden", "texts/s", "Sazón is faster by"], beside)}

`python -m benchmarks.personal`: right is the same kind, beginning and end. Comments, labels and detector have one
author, so expect less on other people's comments. Speed on the shipped sample (scrubadub: its first 500), one
process."""


def main() -> None:
    """Measures, prints, keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument("--part", choices=("development", "test"), default="test", help="only the test half is kept")
    parser.add_argument("--peers", help="an interpreter with scrubadub")
    chosen = parser.parse_args()
    figures = measure(chosen.part, chosen.peers)
    text = describe(figures)
    print(json.dumps(figures, ensure_ascii=False, indent=1) if chosen.json else text)
    if chosen.part == "test":
        keep("personal", text, {"machine": describe_machine("phonenumbers"), **figures})


if __name__ == "__main__":
    run_script(main)
