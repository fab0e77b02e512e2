"""Rules for the environment: a pod's user has no entry in passwd and a read-only root file system."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sazon.settings import Settings


def writable_places(environment: Mapping[str, str], state: Path) -> dict[str, str]:
    """Variables that lead libraries to places they can write to.

    Cause: caches go to `$HOME`, which is `/` for such a user, and `getpass.getuser` raises KeyError. Native code reads
    TMPDIR alone.

    Args:
        environment: of the process.
        state: `$SAZON_HOME`; holds temporary files where no other place takes them.
    """
    try:
        temporary = Path(tempfile.gettempdir())
    except FileNotFoundError:
        temporary = state / "tmp"
    home = environment.get("HOME", "")
    changed = {"TMPDIR": str(temporary)}
    if not home or not os.access(home, os.W_OK):
        changed["HOME"] = str(temporary / "home")
    if not environment.get("USER"):
        changed["USER"] = "sazon"
    return changed


def registry_address(settings: Settings) -> dict[str, str]:
    """Variables that lead MLflow's clients to the registry and the experiment of the settings.

    Cause: on one machine the runner sets both in the process that runs all components; in a pod nobody does.
    """
    return {"MLFLOW_TRACKING_URI": settings.tracking_uri, "MLFLOW_EXPERIMENT_NAME": settings.mlflow.experiment}


def open_local_registry(settings: Settings) -> None:
    """Where no MLflow server is set: makes the store under `$SAZON_HOME`, once for all tasks.

    Cause: MLflow would put the artifacts of an experiment that it makes by itself below the working directory.
    """
    if settings.mlflow.tracking_uri:
        return
    from filelock import FileLock

    from sazon.registry import Registry

    home = settings.state
    home.mlflow_db.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(home.mlflow_db.with_suffix(".lock")):
        Registry(settings.tracking_uri).ensure_experiment(settings.mlflow.experiment, home.mlflow_artifacts.as_uri())
