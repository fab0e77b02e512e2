"""How results are kept: a table for people, JSON for machines, and on what they were measured."""

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from sazon.errors import SazonError

RESULTS = Path(__file__).parent / "results"
_CPU_INFO = Path("/proc/cpuinfo")
_FAST_FORMATS = ("avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def describe_machine(*packages: str) -> dict[str, Any]:
    """Processor, cores, number formats it is fast in, matrix speed, versions."""
    fields = {}
    if _CPU_INFO.exists():
        pairs = (line.split(":", 1) for line in _CPU_INFO.read_text().split("\n\n")[0].splitlines() if ":" in line)
        fields = {name.strip(): value.strip() for name, value in pairs}
    return {
        "processor": fields.get("model name", platform.processor()),
        "cores": os.cpu_count(),
        "formats": [name for name in _FAST_FORMATS if name in fields.get("flags", "").split()],
        "fp32_gflops": round(matrix_gflops()),
        "versions": {name: version(name) for name in packages},
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def matrix_gflops(size: int = 2048, seconds: float = 1.0) -> float:
    """The best that numpy reaches in float32 matrix products."""
    left = np.ones((size, size), np.float32)
    best, until_s = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < until_s:
        started_s = time.perf_counter()
        left @ left
        best = min(best, time.perf_counter() - started_s)
    return 2 * size**3 / best / 1e9


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown; all columns but the first to the right."""
    lines = [head, [":--", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def keep(name: str, text: str, figures: dict[str, Any]) -> Path:
    """Writes `results/<name>.md` and `.json`; returns the first."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    (RESULTS / f"{name}.md").write_text(text + "\n")
    return RESULTS / f"{name}.md"


def run_script(main: Callable[[], None]) -> None:
    """Runs a benchmark; what goes wrong is one line."""
    try:
        main()
    except SazonError as error:
        sys.exit(str(error))
