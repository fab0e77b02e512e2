"""The command: environment, signals, one line for a failure."""

import logging
import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from pipelines.kubeflow.container.environment import open_local_registry, registry_address, writable_places
from sazon.errors import SazonError
from sazon.quiet import quiet_libraries

_TERMINATED: Final = 128 + signal.SIGTERM


def main(argv: list[str]) -> int:
    """Runs one task as the launcher asks for it.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong input or settings. SIGTERM unwinds and exits with 143.
    """
    signal.signal(signal.SIGTERM, _terminate)
    quiet_libraries()
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    try:
        _prepare()
        from pipelines.kubeflow.container.task import Task, run_task

        run_task(Task.parse(argv))
    except SazonError as error:
        return _fail(str(error), error.exit_code)
    except Exception as error:
        traceback.print_exc()  # a pod's log is all that is left of it
        first_line = next(iter(str(error).strip().splitlines()), "no message")
        return _fail(f"{type(error).__name__}: {first_line}", 1)
    return 0


def _prepare() -> None:
    from sazon.settings import load_settings

    settings = load_settings()
    os.environ.update(writable_places(os.environ, settings.state.root))
    for name in ("TMPDIR", "HOME"):
        Path(os.environ[name]).mkdir(parents=True, exist_ok=True)
    os.environ.update(registry_address(settings))
    open_local_registry(settings)


def _fail(reason: str, code: int) -> int:
    sys.stdout.flush()
    print(f"error: {reason}", file=sys.stderr, flush=True)
    return code


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """Ends the process from within, so that `finally` and context managers run: a preempted pod has seconds left.

    Cause: as a plain process the task would be killed on the spot, and its MLflow run would seem to go on for ever.
    """
    print("error: terminated", file=sys.stderr, flush=True)
    raise SystemExit(_TERMINATED)
