"""MLflow's own server (tracking, registry, UI) over the state directory, in one process.

`mlflow server` starts uvicorn as a grandchild that outlives a killed parent; here the same application runs in the
process that the supervisor started and can end.
"""

import os
from pathlib import Path


def run(database: Path, artifacts: Path, host: str, port: int) -> None:
    """Serves until SIGTERM or SIGINT.

    Args:
        database: SQLite file; made and migrated by MLflow when needed.
        artifacts: where artifacts of new experiments go.
        host: address to listen on.
        port: TCP port.
    """
    import uvicorn
    from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR, BACKEND_STORE_URI_ENV_VAR, REGISTRY_STORE_URI_ENV_VAR

    database.parent.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{database}"
    os.environ |= {
        BACKEND_STORE_URI_ENV_VAR: uri,
        REGISTRY_STORE_URI_ENV_VAR: uri,
        ARTIFACT_ROOT_ENV_VAR: artifacts.as_uri(),
    }
    from mlflow.server.handlers import initialize_backend_stores

    initialize_backend_stores(uri, uri, artifacts.as_uri())
    uvicorn.run("mlflow.server.fastapi_app:app", host=host, port=port, workers=1, log_level="warning")
