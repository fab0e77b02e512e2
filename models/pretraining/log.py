"""A pretraining as people and MLflow see it while it runs."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from models.pretraining.pretrainer import PretrainEpoch, Stopped, Watch
from sazon.logging import get_logger
from sazon.registry import TAG_DIGEST, Registry
from sazon.settings import EncoderSettings, Settings

_LOG = get_logger("pretraining")
EXPERIMENT: Final = "pretrain"
_RUN_ID_FILE: Final = "mlflow_run_id"


@contextmanager
def tracked(settings: Settings, work: Path, facts: dict[str, Any], size: EncoderSettings) -> Iterator[str]:
    """Makes the block one run of MLflow, or goes on with the one that was interrupted.

    Args:
        settings: resolved settings.
        work: keeps the run's id.
        facts: further parameters.
        size: the encoder's shape.

    Yields:
        The run's id.
    """
    import mlflow

    settings.state.mlflow_db.parent.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(settings.tracking_uri)
    location = None if settings.mlflow.tracking_uri else settings.state.mlflow_artifacts.as_uri()
    experiment = Registry(settings.tracking_uri).ensure_experiment(EXPERIMENT, location)
    run_id = _start(experiment, work / _RUN_ID_FILE)
    status = "FAILED"
    try:
        shape, own = size.model_dump(), settings.pretrain.model_dump()
        parameters = {f"encoder.{key}": value for key, value in shape.items()}
        parameters |= {f"pretrain.{key}": value for key, value in own.items() if key != "checkpoint_s"}
        mlflow.log_params(facts | parameters)
        mlflow.set_tag(TAG_DIGEST, facts["corpus_digest"])
        yield run_id
        status = "FINISHED"
    except Stopped:
        status = "KILLED"
        raise
    finally:
        mlflow.end_run(status)


def _start(experiment: str, id_file: Path) -> str:
    import mlflow
    from mlflow.exceptions import MlflowException

    if id_file.exists():
        try:
            return str(mlflow.start_run(run_id=id_file.read_text().strip()).info.run_id)
        except MlflowException:  # someone has deleted it
            mlflow.end_run()
    run_id = str(mlflow.start_run(experiment_id=experiment).info.run_id)
    id_file.write_text(run_id)
    return run_id


@contextmanager
def followed(stop: Callable[[], bool]) -> Iterator[Watch]:
    """A watch that shows a bar on a terminal and a line an epoch everywhere, and sends the curve to MLflow."""
    with tqdm(unit="step", leave=False, file=sys.stderr, disable=None, desc="  pretraining") as bar:
        tokens_seen = 0

        def on_start(done: int, total: int) -> None:
            bar.total, bar.initial, bar.n = total, done, done
            bar.refresh()
            if done:
                _LOG.info("  going on from step %s of %s", f"{done:,}", f"{total:,}")

        def on_step(loss: float, tokens: int) -> None:
            nonlocal tokens_seen
            tokens_seen += tokens
            elapsed_s = bar.format_dict["elapsed"]
            bar.set_postfix_str(f"loss {loss:.2f}, {tokens_seen / max(elapsed_s, 1e-3):,.0f} tokens/s", refresh=False)
            bar.update()

        def on_epoch(epoch: PretrainEpoch) -> None:
            import mlflow

            names = ("loss", "eval_loss", "eval_accuracy", "tokens_per_s")
            mlflow.log_metrics({name: getattr(epoch, name) for name in names}, step=epoch.steps)
            with tqdm.external_write_mode(file=sys.stderr):
                _LOG.info(
                    "  epoch %d · %.0f s · loss %.3f · eval loss %.3f, accuracy %.3f · %s tokens/s",
                    epoch.number,
                    epoch.seconds,
                    epoch.loss,
                    epoch.eval_loss,
                    epoch.eval_accuracy,
                    f"{epoch.tokens_per_s:,.0f}",
                )

        yield Watch(on_start, on_step, on_epoch, stop)
