"""The interpreter in which peers run: a virtual environment of its own, with what `requirements.txt` lists."""

import os
import subprocess
import sys
from pathlib import Path

from sazon.errors import SettingsError

_HERE = Path(__file__).parent
_REQUIREMENTS = _HERE / "requirements.txt"
VARIABLE = "PEERS_PYTHON"


def peers_python(given: str | None = None) -> Path:
    """The interpreter, made on first use.

    Args:
        given: an existing one; else that of the environment variable PEERS_PYTHON, else `.peers` of the project.

    Raises:
        SettingsError: there is none where it should be.
    """
    named = given or os.environ.get(VARIABLE)
    if named:
        if not Path(named).exists():
            raise SettingsError(f"{named}: no such interpreter for the peers (--peers or {VARIABLE})")
        return Path(named)
    python = _HERE.parent / ".peers" / "bin" / "python"
    stamp = python.parent.parent / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != _REQUIREMENTS.read_text():
        subprocess.run([sys.executable, "-m", "venv", str(python.parent.parent)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(_REQUIREMENTS)], check=True)
        stamp.write_text(_REQUIREMENTS.read_text())
    return python
