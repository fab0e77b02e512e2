"""Environment that the heavy libraries read when they are imported; entry points set it before that."""

import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

_DEFAULTS: Final = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GRPC_VERBOSITY": "ERROR",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "DO_NOT_TRACK": "true",
    "FEAST_USAGE": "False",
    "GIT_PYTHON_REFRESH": "quiet",
    "TOKENIZERS_PARALLELISM": "false",
    "KERAS_BACKEND": "tensorflow",
}


def quiet_libraries() -> None:
    """No chatter on the terminal, no usage statistics sent to anyone; what the user has set stays."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    for name in ("no_proxy", "NO_PROXY"):  # our own servers are never behind a proxy
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1", "localhost")))
    if "tensorflow" not in sys.modules and not any(isinstance(finder, _MutedStart) for finder in sys.meta_path):
        sys.meta_path.insert(0, _MutedStart())
    if "feast" not in sys.modules and not any(isinstance(finder, _UncheckedFeast) for finder in sys.meta_path):
        sys.meta_path.insert(0, _UncheckedFeast())


class _MutedStart(MetaPathFinder):
    """TensorFlow's libraries announce themselves on stderr while they load, whatever the environment says."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def muted(module: ModuleType) -> None:
                with _stderr_closed():
                    load(module)

            loader: Any = spec.loader
            loader.exec_module = muted
        return spec


class _UncheckedFeast(MetaPathFinder):
    """Feast has its functions rewritten to check the types of arguments: six of the eight seconds of its import."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name == "feast":
            sys.meta_path.remove(self)
            import typeguard

            unchecked: Any = lambda target=None, **_: target or unchecked  # noqa: E731
            typeguard.typechecked = unchecked
        return None


@contextmanager
def _stderr_closed() -> Iterator[None]:
    """For native code; Python's exceptions still come through."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
