"""`sazon pretrain`: teach an encoder the language of unlabelled texts."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from models.pretraining.run import Pretrained

_INTERRUPTED = 130


def pretrain(
    corpus: Annotated[
        list[Path], typer.Option(help="Texts, one a line (.txt), or a column `text` (.csv, .jsonl, .parquet).")
    ],
    more: Annotated[list[Path] | None, typer.Argument(metavar="[FILES]...", help="More files of the corpus.")] = None,
    preset: Annotated[str | None, typer.Option(help="tiny, small, a checkpoint's folder, or a hub id.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to make; default: under SAZON_HOME.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Times through the corpus.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Batches in all, instead of epochs.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Texts a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order, hidden words and dropout.")] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Random weights and a new vocabulary, also for a checkpoint.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Pretrain an encoder on unlabelled texts; `sazon train --preset DIR` fine-tunes it."""
    from sazon.settings import load_settings

    chosen = {"epochs": epochs, "steps": steps, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
    given: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    given |= {"from_scratch": True} if from_scratch else {}
    settings = load_settings(preset=preset, pretrain=given or None)
    os.environ["KERAS_BACKEND"] = settings.pretrain.backend  # before keras is imported

    from models.pretraining.pretrainer import Stopped
    from models.pretraining.run import pretrain as run

    try:
        result = run([*corpus, *(more or [])], settings, out)
    except Stopped:
        typer.echo("stopped; the same command goes on from here", err=True)
        raise typer.Exit(_INTERRUPTED) from None
    typer.echo(json.dumps(as_dict(result), ensure_ascii=False) if as_json else str(result.checkpoint))


def as_dict(result: "Pretrained") -> dict[str, Any]:
    """The result as JSON holds it."""
    last = result.epochs[-1]
    return {
        "checkpoint": str(result.checkpoint),
        "corpus": {"digest": result.digest, **asdict(result.corpus)},
        "steps": last.steps,
        "loss": last.loss,
        "eval_loss": last.eval_loss,
        "eval_accuracy": last.eval_accuracy,
        "tokens_per_s": last.tokens_per_s,
        "epochs": [asdict(epoch) for epoch in result.epochs],
        "run_id": result.run_id,
    }
