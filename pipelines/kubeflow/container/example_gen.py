"""Rules for ExampleGen, whose driver Kubeflow does not run.

Cause: TFX compiles the driver into `lifecycle.preCacheCheck`, which only Google's service calls. Without it span,
version and fingerprint are unknown, and `{SPAN}` stays in the patterns of the splits.
"""

from typing import Any


def reads_files(executor_input: dict[str, Any]) -> bool:
    """Whether the task is a file-based ExampleGen, by its parameters."""
    inputs, outputs = executor_input.get("inputs", {}), executor_input.get("outputs", {})
    return {"input_base", "input_config"} <= set(inputs.get("parameterValues", {})) and "examples" in outputs.get(
        "artifacts", {}
    )


def take_over_driver_output(executor_input: dict[str, Any], driver_output: dict[str, Any]) -> None:
    """Merges the metadata and parameters that the driver found into the executor's input."""
    parameters = executor_input["inputs"].setdefault("parameterValues", {})
    parameters.update(driver_output.get("parameterValues", {}))
    for key, listed in driver_output.get("artifacts", {}).items():
        (artifact,), (found,) = executor_input["outputs"]["artifacts"][key]["artifacts"], listed["artifacts"]
        known = {name: value for name, value in found.get("metadata", {}).items() if value is not None}
        artifact["metadata"] = {**artifact.get("metadata", {}), **known}
