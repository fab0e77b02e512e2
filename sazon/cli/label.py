"""`sazon label`: which texts people should label next, out to them and back, and how well they agree."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sazon.errors import UserError
from sazon.logging import get_logger

if TYPE_CHECKING:
    from data.labelling.adjudication import Outcome
    from data.labelling.book import LabelBook
    from sazon.settings import Settings

app = typer.Typer(help="Queue, export, import and judge labels.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_SHOWN_CHARS = 80
_LOG = get_logger("label")


@app.command()
def queue(
    size: Annotated[int, typer.Option(min=0, help="Add the best texts until so many wait; 0: only show.")] = 100,
    pool: Annotated[int, typer.Option(min=1, help="Newest unlabelled texts to look at.")] = 2000,
    annotators: Annotated[int, typer.Option(min=1, help="People to label each text.")] = 2,
    server: Annotated[str | None, typer.Option(help="Model server (REST); default: the local one.")] = None,
    guess: Annotated[
        bool, typer.Option("--guess/--no-guess", help="Rank by what the served model, else the champion, says.")
    ] = True,
    shown: Annotated[int, typer.Option(min=0, help="Lines of the table.")] = 20,
    as_json: Json = False,
) -> None:
    """Queue the unlabelled texts that teach most: uncertain, disputed, new, and unlike each other."""
    from data.labelling.queueing import fill_queue
    from data.labelling.review import Review
    from data.store import FeedbackStore
    from sazon.cli.jury import find_jury

    settings, book = _open()
    if size:
        store = FeedbackStore(settings.state.feedback)
        jury = find_jury(settings, store, server) if guess else None
        added = fill_queue(store, book, jury, size=size, pool=pool, annotators=annotators)
        _LOG.info("%d texts added", len(added))
    review = Review.of(book)
    waiting = review.waiting()
    if as_json:
        lines = [{**asdict(item), **_progress(review.outcomes[item.task])} for item in waiting]
        typer.echo(json.dumps(lines, ensure_ascii=False))
        return
    typer.echo(f"{'task':<14}{'score':>6}{'unsure':>8}{'disputed':>10}{'new':>6}  {'votes':<8}{'guess':<10}text")
    for item in waiting[:shown]:
        outcome = review.outcomes[item.task]
        votes = f"{outcome.votes}/{item.wanted}" if outcome.state == "waiting" else "tied"
        signals = (item.score, item.uncertainty, item.disagreement, item.novelty)
        cells = "".join(f"{_two(value):>{width}}" for value, width in zip(signals, (6, 8, 10, 6), strict=True))
        typer.echo(f"{item.task:<14}{cells}  {votes:<8}{item.guessed_sentiment or '–':<10}{_short(item.text)}")
    typer.echo(f"{len(waiting):,} texts wait for labels")


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help=".json for Label Studio (with its interface as .xml beside), or .csv.")],
    size: Annotated[int | None, typer.Option(min=1, help="Texts at most; default: all that wait.")] = None,
    gold: Annotated[float, typer.Option(min=0, max=1, help="Gold questions per text, mixed in.")] = 0.1,
    annotator: Annotated[
        str | None, typer.Option(help="Who gets it: nothing that this one labelled is in the file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the texts that wait, the model's guesses and gold questions for people to label."""
    from data.labelling.exchange import export_tasks
    from data.labelling.review import Review

    _, book = _open()
    items = Review.of(book).tasks(size, gold, annotator)
    if not items:
        raise UserError("nothing waits for labels (fill the queue: sazon label queue)")
    files = export_tasks(out, items, annotator or "")
    checks = sum(item.is_gold for item in items)
    if as_json:
        paths = [str(path) for path in files]
        typer.echo(json.dumps({"files": paths, "texts": len(items) - checks, "gold": checks}, ensure_ascii=False))
    else:
        typer.echo(f"{', '.join(map(str, files))}: {len(items) - checks:,} texts, {checks:,} gold questions")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="Label Studio's export (JSON), or a sheet (CSV).")],
    annotator: Annotated[str, typer.Option(help="Who labelled, where a sheet's cell is empty.")] = "",
    adjudicator: Annotated[str | None, typer.Option(help="Has the last word, here and from now on.")] = None,
    as_json: Json = False,
) -> None:
    """Take answers; the same file again changes nothing. Exit 2 when a row is bad; the good ones are taken."""
    from data.labelling.exchange import import_answers
    from data.labelling.review import Review

    _, book = _open()
    done = import_answers(book, file, annotator, adjudicator)
    review = Review.of(book)
    if as_json:
        more = {"settled": len(review.labels()), "waiting": len(review.waiting())}
        typer.echo(json.dumps({**asdict(done), **more}, ensure_ascii=False))
    else:
        for line in done.problems:
            typer.echo(line, err=True)
        typer.echo(
            f"{file.name}: {done.new:,} new answers, {done.changed:,} changed, {done.unchanged:,} known, "
            f"{done.blank:,} blank, {len(done.problems):,} bad; {len(review.labels()):,} labels settled"
        )
    if done.problems:
        raise typer.Exit(2)


@app.command()
def status(as_json: Json = False) -> None:
    """Show what waits and what is settled, and how well annotators agree (Krippendorff's alpha)."""
    from data.labelling.adjudication import State
    from data.labelling.review import Review

    _, book = _open()
    review = Review.of(book)
    agreement = review.agreement()
    states = [outcome.state for outcome in review.outcomes.values()]
    counts = {state.value: states.count(state) for state in State}
    if as_json:
        typer.echo(json.dumps({**counts, "gold": len(review.gold), "agreement": asdict(agreement)}))
        return
    typer.echo(" · ".join(f"{count:,} {name}" for name, count in counts.items()) + f" · {len(review.gold):,} gold")
    typer.echo(f"\nalpha, on {agreement.texts:,} texts that several labelled")
    for name, alpha in {"sentiment": agreement.sentiment, **agreement.tastes}.items():
        typer.echo(f"{name:<12}{_two(alpha):>6}")


@app.command()
def gold(
    add: Annotated[Path | None, typer.Option(help="Labelled file: its texts become gold questions.")] = None,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Flag annotators with fewer right sentiments, of 5 answers or more.")
    ] = 0.8,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Answers of those who are flagged count no longer.")
    ] = False,
    readmit: Annotated[str | None, typer.Option(help="An annotator whose answers count again.")] = None,
    as_json: Json = False,
) -> None:
    """Add gold questions; show how each annotator does on them."""
    from data.labelling.gold import add_gold
    from data.labelling.review import Review

    _, book = _open()
    if add:
        _LOG.info("%s: %d gold questions", add.name, add_gold(book, add))
    if leave_out:
        book.leave_out(one.name for one in Review.of(book).standings(threshold) if one.flagged)
    if readmit:
        if readmit not in {one.name for one in book.annotators()}:
            raise UserError(f'"{readmit}" is not an annotator (see: sazon label gold)')
        book.leave_out([readmit], left_out=False)
    standings = Review.of(book).standings(threshold)
    if as_json:
        lines = [{**asdict(one), "accuracy": one.accuracy} for one in standings]
        typer.echo(json.dumps(lines, ensure_ascii=False))
        return
    typer.echo(f"{'annotator':<24}{'labelled':>9}{'gold':>6}{'right':>7}{'exact':>7}{'accuracy':>10}")
    for one in standings:
        roles = {"flagged": one.flagged, "left out": one.left_out, "adjudicates": one.adjudicates}
        marks = ", ".join(name for name, holds in roles.items() if holds)
        figures = f"{one.labelled:>9,}{one.gold:>6}{one.right:>7}{one.exact:>7}{_two(one.accuracy):>10}"
        typer.echo(f"{one.name:<24}{figures}  {marks}".rstrip())


def _open() -> "tuple[Settings, LabelBook]":
    from data.labelling.book import LabelBook
    from sazon.settings import load_settings

    settings = load_settings()
    return settings, LabelBook(settings.state.labelling)


def _progress(outcome: "Outcome") -> dict[str, Any]:
    return {"state": outcome.state.value, "votes": outcome.votes}


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARS else line[: _SHOWN_CHARS - 1] + "…"
