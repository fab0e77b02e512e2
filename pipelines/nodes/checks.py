"""Settings of training that must fit those of the pods, found out before anything is sent."""

from sazon.errors import SettingsError
from sazon.settings import Settings


def check_hardware(settings: Settings) -> None:
    """Checks that a pod's GPUs are those that training uses, and that training can use them.

    Raises:
        SettingsError: GPUs would be missing or idle, or several devices are more than the way to train can do.
    """
    train, gpus = settings.train, settings.kubeflow.gpus
    if train.devices not in (0, max(1, gpus)):
        raise SettingsError(
            f"train.devices: {train.devices}, but a pod gets {gpus} GPU(s) by kubeflow.gpus; "
            f"set train.devices to {max(1, gpus)}, or to 0 for all there are"
        )
    several = f"train.nodes: {train.nodes}" if train.nodes > 1 else f"kubeflow.gpus: {gpus}" if gpus > 1 else ""
    if several and train.backend != "tensorflow":
        raise SettingsError(f"{several} needs train.backend tensorflow, not {train.backend}; or set 1")
    if several and train.accumulate > 1:
        raise SettingsError(f"{several} goes with train.accumulate 1 only; raise train.batch_size instead")
