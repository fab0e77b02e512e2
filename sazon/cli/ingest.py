"""`sazon ingest`: files into the store."""

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from sazon.errors import UserError

if TYPE_CHECKING:
    from data.ingest.mapping import Mapping
    from data.ingest.report import Report
    from data.store import Store


def ingest(
    source: Annotated[Path | None, typer.Argument(help="File, folder, or - for standard input.")] = None,
    columns: Annotated[Path | None, typer.Option(help="YAML: the file's columns and values to the contract's.")] = None,
    market: Annotated[bool, typer.Option("--market", help="Market rows instead of feedback.")] = False,
    replay: Annotated[bool, typer.Option("--replay", help="Take mended rows from quarantine, or from SOURCE.")] = False,
    inbox: Annotated[bool, typer.Option("--inbox", help="Take what clients sent to the gateway.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Take what comes into the folder, and the inbox, until stopped.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="With --watch: take what is there, and end.")] = False,
    near: Annotated[bool, typer.Option("--near/--no-near", help="Mark near duplicates.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Take files of feedback (CSV, JSON lines, Parquet, Excel) into the store: repaired, checked, redacted, once."""
    from data.ingest.mapping import Mapping
    from data.store import FeedbackStore, MarketStore
    from sazon.settings import load_settings

    _refuse_mixtures(source, replay, inbox, watch, once, market, columns)
    state = load_settings().state
    store = MarketStore(state.market) if market else FeedbackStore(state.feedback)
    order = _Order(store, Mapping.read(columns, store.kind) if columns else Mapping(), state.inbox, near, as_json)
    if watch and source and not once:
        order.watch(source)
        return
    reports = order.sweep(source) if once and source else order.run(source, replay=replay, inbox=inbox)
    show(reports, as_json=as_json)
    if any(report.error for report in reports):
        raise typer.Exit(2)


def _refuse_mixtures(
    source: Path | None, replay: bool, inbox: bool, watch: bool, once: bool, market: bool, columns: Path | None
) -> None:
    if replay + inbox + watch > 1:
        raise UserError("want one of --replay, --inbox, --watch")
    if once and not watch:
        raise UserError("--once goes with --watch")
    if source is None and not (replay or inbox):
        raise UserError("nothing to ingest (want a file, a folder, or - for standard input)")
    if inbox and (source is not None or market):
        raise UserError("--inbox takes feedback that clients sent, and no file")
    if columns is not None and (replay or inbox):
        raise UserError("--columns has no use here: those rows have the contract's columns already")


@dataclass(frozen=True)
class _Order:
    store: "Store"
    mapping: "Mapping"
    inbox: Path
    near: bool
    as_json: bool

    def run(self, source: Path | None, *, replay: bool, inbox: bool) -> "list[Report]":
        from data.ingest.folders import ingest_all
        from data.ingest.replay import replay_all, replay_file

        if inbox:
            return self.drain()
        if source is None:
            return list(replay_all(self.store, near=self.near))
        if replay:
            return [replay_file(self.store, source, near=self.near)]
        return list(ingest_all(self.store, source, self.mapping, near=self.near))

    def drain(self) -> "list[Report]":
        from data.ingest.draining import drain_inbox
        from data.ingest.inbox import Inbox

        report = drain_inbox(Inbox(self.inbox), self.store, near=self.near)
        return [report] if report else []

    def watch(self, folder: Path) -> None:
        """Until SIGTERM or SIGINT; the files found so far are finished first."""
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        for reports in self._looks(folder, stop):
            show(reports, as_json=self.as_json)

    def sweep(self, folder: Path) -> "list[Report]":
        """What lies in a drop folder and in the inbox. A signal ends it at once: a kill loses nothing."""
        return [report for reports in self._looks(folder, Event(), once=True) for report in reports]

    def _looks(self, folder: Path, stop: Event, *, once: bool = False) -> "Iterator[list[Report]]":
        from data.ingest.watching import watch_folder

        for report in watch_folder(self.store, folder, self.mapping, near=self.near, stop=stop, once=once):
            reports = [report] if report else []
            if self.store.kind.name == "feedback" and report is None:
                reports = self.drain()
            if reports:
                yield reports


def show(reports: "list[Report]", *, as_json: bool) -> None:
    """Prints what was done: figures of all files, then of each where there are several."""
    from data.ingest.report import COUNTS

    if not as_json:
        for report in reports:
            typer.echo(f"{report.source}: {report.error}" if report.error else report.describe())
        if not reports:
            typer.echo("nothing to take")
        return
    total = {name: sum(report.counts[name] for report in reports) for name in COUNTS}
    several = {**total, "files": [report.as_dict() for report in reports]}
    one = len(reports) == 1 and not reports[0].error
    typer.echo(json.dumps(reports[0].as_dict() if one else several, ensure_ascii=False))
