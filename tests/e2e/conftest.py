"""The command line as a user runs it, on small easy data: these tests are of the platform, not of the model."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import easy_feedback
import pandas as pd
import pytest


class Sazon:
    """Runs `sazon` on one state directory, with settings fit for tiny data."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.folder = folder
        # The usual ports, where they are free: `up` chooses before it trains, and meanwhile another test might get a
        # port that the system chose.
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SAZON_")},
            "SAZON_HOME": str(self.home),
            "SAZON_PRESET": "tiny",
            "SAZON_TRAIN__LEARNING_RATE": "0.003",
            "SAZON_TRAIN__PATIENCE": "20",
            "SAZON_TRAIN__TOKEN_DROPOUT": "0",
            "SAZON_GATES__BELOW_BASELINE": "1",
        }

    def start(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Starts a command."""
        command = [sys.executable, "-m", "sazon.cli.main", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=self.environment, **{**pipes, **options})

    def run(self, *arguments: str | Path, code: int = 0) -> tuple[str, str]:
        """Runs a command to its end; stdout and stderr."""
        child = self.start(*arguments)
        output, errors = child.communicate(timeout=600)
        assert child.returncode == code, errors[-3000:]
        return output, errors

    def json(self, *arguments: str | Path) -> Any:
        """Runs a command with --json; stdout must hold nothing else."""
        return json.loads(self.run(*arguments, "--json")[0])


@pytest.fixture(scope="module")
def sazon(tmp_path_factory: pytest.TempPathFactory) -> Sazon:
    """A fresh state directory."""
    return Sazon(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def easy_rows() -> Callable[..., pd.DataFrame]:
    """Makes 900 rows whose labels a two-layer model learns in seconds."""
    return easy_feedback.easy_rows


@pytest.fixture(scope="module")
def easy_file(sazon: Sazon) -> Path:
    """Rows with tastes."""
    path = sazon.folder / "easy.csv"
    easy_feedback.easy_rows().to_csv(path, index=False)
    return path
