"""Where an artifact lies in the object store, and where the launcher puts it in the pod."""

import os
from dataclasses import dataclass
from typing import Any, Final, Self

LOCAL_ROOT: Final = "KFP_LOCAL_ROOT"
"""Environment variable: folder below which the launcher keeps local copies, for one that is not at `/` (tests)."""
_FOLDERS: Final = {"minio": "minio", "s3": "s3", "gs": "gcs"}


def local_path(artifact: dict[str, Any], root: str = "") -> str:
    """The launcher's local path of an artifact.

    Cause: the executor input names `minio://…`, which neither TensorFlow nor Beam can open. The launcher downloads it
    to `/minio/…` before the command runs, and uploads from there after it.

    >>> local_path({"uri": "gs://bucket/run/model"})
    '/gcs/bucket/run/model'
    >>> local_path({"uri": "s3://bucket/run/model", "customPath": "/mnt/model"})
    '/mnt/model'
    """
    if artifact.get("customPath"):
        return str(artifact["customPath"])
    uri = str(artifact.get("uri", ""))
    scheme, found, rest = uri.partition("://")
    return f"{root}/{_FOLDERS[scheme]}/{rest}" if found and scheme in _FOLDERS else uri


@dataclass(frozen=True)
class Places:
    """Pairs of a remote URI and the local path of the artifacts of one task, the longest path first."""

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, executor_input: dict[str, Any], root: str | None = None) -> Self:
        """Those of all inputs and outputs."""
        root = os.environ.get(LOCAL_ROOT, "").rstrip("/") if root is None else root
        pairs = {(artifact["uri"], local_path(artifact, root)) for artifact in artifacts_of(executor_input)}
        return cls(tuple(sorted(pairs, key=lambda pair: -len(pair[1]))))

    def localise(self, executor_input: dict[str, Any]) -> None:
        """Replaces the URIs of all artifacts by local paths."""
        local = dict(self.pairs)
        for artifact in artifacts_of(executor_input):
            artifact["uri"] = local[artifact["uri"]]

    def remote(self, value: Any) -> Any:
        """Replaces local paths by URIs, in strings at any depth of a JSON value."""
        if isinstance(value, dict):
            return {key: self.remote(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.remote(item) for item in value]
        return self._uri(value) if isinstance(value, str) else value

    def _uri(self, text: str) -> str:
        for uri, path in self.pairs:
            if text == path or text.startswith(path.rstrip("/") + "/"):
                return uri.rstrip("/") + text[len(path.rstrip("/")) :]
        return text


def artifacts_of(executor_input: dict[str, Any]) -> list[dict[str, Any]]:
    """Every artifact of an executor input that lies somewhere, inputs first."""
    return [
        artifact
        for side in ("inputs", "outputs")
        for listed in executor_input.get(side, {}).get("artifacts", {}).values()
        for artifact in listed.get("artifacts", [])
        if artifact.get("uri")
    ]
