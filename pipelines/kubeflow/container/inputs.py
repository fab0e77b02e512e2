"""Rules for the executor input, before TFX reads it. Each changes the parsed JSON in place."""

from typing import Any, Final

_LOGS: Final = "executor-logs"


def fill_input_types(executor_input: dict[str, Any], inputs_spec: dict[str, Any]) -> None:
    """Gives every input artifact the type that the component declares.

    Cause: Kubeflow knows no schemas of TFX's types and passes `{"instanceSchema": ""}` on, for which TFX's entrypoint
    fails with "'NoneType' object has no attribute 'get'".
    """
    declared = inputs_spec.get("artifacts", {})
    for key, listed in _artifacts(executor_input, "inputs").items():
        for artifact in listed.get("artifacts", []):
            if key in declared:
                artifact["type"] = declared[key]["artifactType"]


def drop_executor_logs(executor_input: dict[str, Any]) -> None:
    """Takes away the output that the launcher adds for itself.

    Cause: its type is `system.Artifact`, which TFX tries to import as a class; the launcher writes and uploads it.
    """
    _artifacts(executor_input, "outputs").pop(_LOGS, None)


def name_artifacts(executor_input: dict[str, Any]) -> None:
    """Names artifacts without a name by their key.

    Cause: TFX makes an artifact's id of its name. Without, the Evaluator's blessing names a model of id 0, and writing
    it down fails with KeyError.
    """
    for side in ("inputs", "outputs"):
        for key, listed in _artifacts(executor_input, side).items():
            for artifact in listed.get("artifacts", []):
                artifact["name"] = artifact.get("name") or key


def unbox_metadata(executor_input: dict[str, Any]) -> None:
    """Takes lists and objects of the metadata out of their boxes.

    Cause: ML Metadata holds objects only, so Kubeflow stores `[1]` as `{"list": [1]}` and `{"a": 1}` as
    `{"struct": {"a": 1}}`, and gives them back like that.
    """
    for listed in _artifacts(executor_input, "inputs").values():
        for artifact in listed.get("artifacts", []):
            if "metadata" in artifact:
                artifact["metadata"] = {key: _unboxed(value) for key, value in artifact["metadata"].items()}


def _unboxed(value: Any) -> Any:
    match value:
        case {"list": list(items), **others} if not others:
            return items
        case {"struct": dict(fields), **others} if not others:
            return fields
    return value


def _artifacts(executor_input: dict[str, Any], side: str) -> dict[str, Any]:
    artifacts: dict[str, Any] = executor_input.get(side, {}).get("artifacts", {})
    return artifacts
