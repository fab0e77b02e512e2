"""Rules for output_metadata.json, after TFX wrote it."""

from typing import Any

from pipelines.kubeflow.container.places import Places


def mend_output(executor_output: dict[str, Any], places: Places) -> dict[str, Any]:
    """Applies the rules below to what TFX wrote; nothing but ExecutorOutput's own fields is left or added."""
    output: dict[str, Any] = places.remote(executor_output)
    for listed in output.get("artifacts", {}).values():
        for artifact in listed.get("artifacts", []):
            drop_nulls(artifact)
            drop_local_uri(artifact)
    return output


def drop_nulls(artifact: dict[str, Any]) -> None:
    """Takes null metadata away, which TFX writes for properties without a value and Kubeflow refuses."""
    if "metadata" in artifact:
        artifact["metadata"] = {key: value for key, value in artifact["metadata"].items() if value is not None}


def drop_local_uri(artifact: dict[str, Any]) -> None:
    """Takes a URI away that is not of an object store.

    Cause: the launcher takes over every URI that is not empty. A local one keeps the output from being uploaded, and
    the next task fails with "unrecognized uri format".
    """
    if "://" not in artifact.get("uri", ""):
        artifact.pop("uri", None)
