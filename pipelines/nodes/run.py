"""The Trainer's entry where several nodes train: they run as a TrainJob, this process follows them and exports."""

import tempfile
from pathlib import Path
from typing import Any, Final

from models.training import run
from models.training.fitting import Fitted, Trainer
from models.training.handover import JOB, job_files, read_result, result_files, write_job
from models.training.nodes import JOB_FOLDER, RESULT_FOLDER
from models.training.run import TrainingJob
from models.training.state import Epoch
from models.training.store import ObjectStore
from pipelines.nodes.checks import check_hardware
from pipelines.nodes.following import Checkpoint, Following
from pipelines.nodes.train_job import make_train_job
from pipelines.nodes.train_jobs import TrainJobs
from sazon.errors import PipelineError
from sazon.kubernetes_api import Cluster
from sazon.settings import load_settings

_NAME: Final = "taste-{}"


def run_fn(fn_args: Any) -> None:
    """Called by TFX; as `models.training.run.run_fn`, on the nodes of a cluster."""
    run.train(fn_args, fit_on_nodes)


def fit_on_nodes(job: TrainingJob, trainer: Trainer) -> Fitted:
    """As `trainer.fit()`, in a TrainJob whose name says which training it is: a second call goes on with it.

    Raises:
        SettingsError: the settings of training and those of the pods do not go together.
        PipelineError: the nodes fail again and again, or take too long.
        ClusterError: there is no cluster, or it refuses.
    """
    settings = load_settings()
    settings = settings.model_copy(update={"train": trainer.settings})
    check_hardware(settings)
    assert job.store
    kubeflow, name = settings.kubeflow, _NAME.format(job.key)
    manifest = make_train_job(name, job.store.address, trainer.settings.nodes, kubeflow)
    curve = _Curve(trainer)
    following = Following(
        TrainJobs(Cluster.connect(kubeflow.namespace)),
        manifest,
        job.store,
        kubeflow.retries,
        kubeflow.nodes_timeout_s,
        curve.follow,
    )
    _hand_over(trainer, job.store)
    following.run()
    fitted = _fetch(trainer, job.store)
    curve.pass_on(fitted.epochs)
    following.finish()
    return fitted


def _hand_over(trainer: Trainer, store: ObjectStore) -> None:
    """Once: nodes may be reading it already."""
    target = store.below(JOB_FOLDER)
    if target.get_json(JOB) is not None:
        return
    with tempfile.TemporaryDirectory() as folder:
        write_job(trainer, Path(folder))
        for name, path in job_files(trainer, Path(folder)).items():
            target.put(name, path)


def _fetch(trainer: Trainer, store: ObjectStore) -> Fitted:
    source = store.below(RESULT_FOLDER)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, path in result_files(folder).items():
            if not source.get(file, path):
                raise PipelineError(f"{source.address}/{file} is gone: start the training again")
        return read_result(trainer, folder)


class _Curve:
    """Passes on what is new in a checkpoint."""

    def __init__(self, trainer: Trainer) -> None:
        self._observer = trainer.observer
        self._batches = -(-len(trainer.train) // trainer.settings.batch_size)
        self._done = self._epochs = 0

    def follow(self, checkpoint: Checkpoint) -> None:
        done = checkpoint["epoch"] * self._batches + checkpoint["batch"]
        self._observer.on_batch(max(0, done - self._done))
        self._done = max(done, self._done)
        self.pass_on([Epoch(**epoch) for epoch in checkpoint["epochs"]])

    def pass_on(self, epochs: list[Epoch]) -> None:
        for epoch in epochs[self._epochs :]:
            self._observer.on_epoch(epoch)
        self._epochs = max(self._epochs, len(epochs))
