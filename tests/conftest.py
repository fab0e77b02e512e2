"""Shared set-up: strict mode, and small feedback tables."""

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from sazon.quiet import quiet_libraries

quiet_libraries()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Processes that test side by side, and those that they start, compute on a core each."""
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ.setdefault(name, "1")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """With SAZON_TEST_STRICT=1 a missing prerequisite is a failure, not a skip."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("SAZON_TEST_STRICT") == "1" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in strict mode: {report.longrepr}"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tests neither read the user's settings nor write into the working directory's state."""
    for name in list(os.environ):
        if name.startswith("SAZON_") and name != "SAZON_TEST_STRICT":
            monkeypatch.delenv(name)
    monkeypatch.setenv("SAZON_HOME", str(tmp_path / "home"))


GOOD_ROW = {
    "feedback_id": "f1",
    "created_at": "2025-07-28T13:05:00Z",
    "text": "Rico el ceviche, bien picante",
    "product": "ceviche",
    "category": "plato",
    "region": "Lima",
    "channel": "app",
    "rating": "5",
    "sentiment": "positive",
    "tastes": "picante",
}


@pytest.fixture
def good_row() -> dict[str, str]:
    """A row that follows the contract."""
    return dict(GOOD_ROW)


@pytest.fixture
def feedback_file(tmp_path: Path):
    """Writes rows (changes to the good row) as a CSV and returns its path."""

    def write(*changes: dict[str, str], drop: tuple[str, ...] = ()) -> Path:
        rows = [{**GOOD_ROW, "feedback_id": f"f{number}", **change} for number, change in enumerate(changes, 1)]
        path = tmp_path / "feedback.csv"
        pd.DataFrame(rows).drop(columns=list(drop)).to_csv(path, index=False)
        return path

    return write
