"""Environment that the heavy libraries read when they are imported; entry points set it before that."""

import os
from typing import Final

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
