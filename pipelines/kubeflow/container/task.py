"""One task: the rules, TFX's entrypoint, and the rules for what it wrote. The only module here that imports TFX."""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from components import tfdv_compat
from pipelines.kubeflow.container.example_gen import reads_files, take_over_driver_output
from pipelines.kubeflow.container.folders import make_folders
from pipelines.kubeflow.container.inputs import drop_executor_logs, fill_input_types, name_artifacts, unbox_metadata
from pipelines.kubeflow.container.outputs import mend_output
from pipelines.kubeflow.container.parameters import declared_types, restore_types
from pipelines.kubeflow.container.places import Places
from sazon.errors import UserError

_TFX_FLAGS: Final = (
    "executor_class_path",
    "json_serialized_invocation_args",
    "json_serialized_inputs_spec_args",
)
_CACHE_DIGEST: Final = "cache_digest"  # only there for Kubeflow's cache key, which covers the command line


@dataclass(frozen=True)
class Task:
    """What the launcher calls a container with.

    Attributes:
        executor: dotted path of the executor class.
        executor_input: the launcher's ExecutorInput, parsed; the rules change it.
        inputs_spec: the component's own ComponentInputsSpec, parsed.
        beam_args: flags of Beam's runner.
    """

    executor: str
    executor_input: dict[str, Any]
    inputs_spec: dict[str, Any]
    beam_args: list[str]

    @classmethod
    def parse(cls, argv: list[str]) -> Self:
        """Reads TFX's own flags; what is left is Beam's.

        Raises:
            UserError: a flag is missing, or is not JSON.
        """
        parser = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
        for name in (*_TFX_FLAGS, _CACHE_DIGEST):
            parser.add_argument(f"--{name}", default="")
        flags, beam_args = parser.parse_known_args(argv)
        if not flags.executor_class_path or not flags.json_serialized_invocation_args:
            raise UserError(
                "want --executor_class_path and --json_serialized_invocation_args, as Kubeflow's launcher does"
            )
        try:
            executor_input = json.loads(flags.json_serialized_invocation_args)
            inputs_spec = json.loads(flags.json_serialized_inputs_spec_args or "{}")
        except ValueError as error:
            raise UserError(f"the executor input is not JSON: {error}") from None
        return cls(flags.executor_class_path, executor_input, inputs_spec, beam_args)

    @property
    def output_file(self) -> Path:
        """output_metadata.json, a local path."""
        return Path(self.executor_input["outputs"]["outputFile"])

    def flags(self) -> argparse.Namespace:
        """As TFX's entrypoint and driver take them."""
        return argparse.Namespace(
            executor_class_path=self.executor,
            json_serialized_invocation_args=json.dumps(self.executor_input),
            json_serialized_inputs_spec_args=json.dumps(self.inputs_spec) if self.inputs_spec else "",
        )


def run_task(task: Task) -> None:
    """Runs the executor, and leaves output_metadata.json as the launcher wants it."""
    places = Places.of(task.executor_input)
    fill_input_types(task.executor_input, task.inputs_spec)
    drop_executor_logs(task.executor_input)
    name_artifacts(task.executor_input)
    unbox_metadata(task.executor_input)
    places.localise(task.executor_input)
    make_folders(task.executor_input)
    task.output_file.unlink(missing_ok=True)  # TFX takes what is there for the words of a driver
    tfdv_compat.install()
    if reads_files(task.executor_input):
        _run_driver(task)
    _run_executor(task)
    output = mend_output(json.loads(task.output_file.read_text(encoding="utf-8")), places)
    task.output_file.write_text(json.dumps(output), encoding="utf-8")


def _run_driver(task: Task) -> None:
    from tfx.orchestration.kubeflow.v2.file_based_example_gen import driver

    driver.main(task.flags())
    take_over_driver_output(task.executor_input, json.loads(task.output_file.read_text(encoding="utf-8")))
    task.output_file.unlink()


def _run_executor(task: Task) -> None:
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils, kubeflow_v2_run_executor
    from tfx.utils import import_utils

    function = getattr(import_utils.import_class_by_path(task.executor), "_FUNCTION", None)
    parse = kubeflow_v2_entrypoint_utils.parse_execution_properties
    kubeflow_v2_entrypoint_utils.parse_execution_properties = _restoring(parse, declared_types(function))
    try:
        kubeflow_v2_run_executor.main((task.flags(), task.beam_args))
    finally:
        kubeflow_v2_entrypoint_utils.parse_execution_properties = parse


def _restoring(parse: Callable[..., dict[str, Any]], declared: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    return lambda *args: restore_types(parse(*args), declared)
