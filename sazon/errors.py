"""The tree of errors that users can meet.

    SazonError             exit 1   something failed that the user did not cause
    ├── UserError          exit 2   wrong input or wrong use; the message names thing, place and remedy
    │   ├── DataError               a data file breaks the contract of its columns
    │   └── SettingsError           an unknown key or a bad value in the settings
    ├── PipelineError               a pipeline step failed; names the step
    │   └── AnomaliesFound          the validated data has anomalies: training stopped
    ├── StoreError                  an object store cannot be reached, read or written
    ├── RegistryError               the model registry lacks what was asked for, or cannot be reached
    └── ServingError                a server did not start, or did not answer
        ├── RolloutRunning          another process rolls out on the same state
        ├── DamagedTraffic          what says which version answers is no such thing
        └── ClusterError            the Kubernetes API refused something, or cannot be reached

A message is one line for a terminal: what, where, what to do.
"""


class SazonError(Exception):
    """Root of the tree; the command line prints its message and exits with `exit_code`."""

    exit_code = 1


class UserError(SazonError):
    """The input or the way of use is wrong."""

    exit_code = 2


class DataError(UserError):
    """A data file breaks the contract; `problems` lists every bad cell that was found."""

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class SettingsError(UserError):
    """A setting is unknown or has a bad value."""


class PipelineError(SazonError):
    """A step of the pipeline failed."""


class AnomaliesFound(PipelineError):
    """The data has anomalies against the curated schema, so nothing was trained."""


class StoreError(SazonError):
    """The object store of checkpoints cannot be reached, read or written."""


class RegistryError(SazonError):
    """The registry lacks a model, or cannot be reached."""


class ServingError(SazonError):
    """A server could not start or did not answer in time."""


class RolloutRunning(ServingError):
    """Another process rolls out on the same state."""


class DamagedTraffic(ServingError):
    """What says which version answers holds something else."""


class ClusterError(ServingError):
    """The Kubernetes API refused something, or cannot be reached; `status` is HTTP's where it answered."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
