"""`syncline at`: a row, or a whole collection, as of an offset of the log or as of a time."""

import asyncio
from contextlib import ExitStack
from typing import Annotated

import typer

from syncline.cli import facade
from syncline.cli.exits import Exit
from syncline.cli.facade import Report
from syncline.cli.options import ConfigOption, Json, with_config
from syncline.cli.render import Screen, moment, value_text
from syncline.config.load import load
from syncline.hub.exporting import JsonLines, Sample, file_sink
from syncline.model.errors import UsageError
from syncline.model.limits import TRAVEL_SHOWN_ROWS
from syncline.model.words import counted

HINT = "write at [CONFIG] OFFSET COLLECTION [KEY...], or at --time TIME COLLECTION [KEY...]"


def at(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CONFIG] [OFFSET] COLLECTION [KEY...]", help="When, and what; one word per part of the key."),
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", metavar="TIME", help="Instead of OFFSET: as of then, as in 2026-11-21T10:00:00Z.")
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", "-o", metavar="FILE", help="Where to: .jsonl, .csv, .parquet, or - for JSON lines.")
    ] = None,
    config: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Show a row, or a whole collection, as it was at an offset.

    With KEY one row, and the change that made it; else all rows, exactly, with later changes taken back.
    """
    path, rest = with_config(words or [], config)
    if time is not None and not rest:
        raise UsageError("this verb needs COLLECTION", why="nothing given", hint=HINT)
    offset = None if time is not None else _offset(rest)
    collection, *key = rest if time is not None else rest[1:]
    hub = facade.hub_for(load(path, absent_ok=True))
    screen = Screen(as_json)
    if key:
        if out is not None:
            raise UsageError("--out is for a whole collection", hint="leave KEY or --out out")
        report = asyncio.run(hub.at_row(offset, time, collection, tuple(key)))
        screen.data(report)
        _show_row(screen, report)
        return Exit.OK
    sample = Sample(TRAVEL_SHOWN_ROWS)
    lines = out == "-" or (out is None and as_json)
    with ExitStack() as stack:
        to_file = out is not None and not lines
        sink = stack.enter_context(file_sink(out or "")) if to_file else JsonLines(screen.out.file) if lines else sample
        report = asyncio.run(hub.export(offset, time, collection, sink))
    if lines:
        return Exit.OK
    screen.data(report | {"out": out})
    _show_rows(screen, report, sample, out)
    return Exit.OK


def _offset(words: list[str]) -> int:
    if len(words) < 2:
        raise UsageError("this verb needs OFFSET and COLLECTION", why=f"{len(words)} given", hint=HINT)
    if not (words[0].isascii() and words[0].isdigit()):
        raise UsageError(f"{words[0]} is not an offset", why="offsets are whole numbers", hint=HINT)
    return int(words[0])


def _show_row(screen: Screen, report: Report) -> None:
    key = ", ".join(str(part) for part in report.get("key", []))
    row, made = report.get("row"), report.get("made")
    screen.say(f"{report['collection']} {key} as of offset {report['offset']}:")
    if row is None:
        screen.say("  no such row")
    else:
        for name, value in row.items():
            screen.say(f"  {name}: {value_text(value)}")
    if made:
        done = "deleted" if row is None else "made so"
        time = f", {moment(made['time'])}" if made.get("time") else ""
        screen.say(f"{done} by {made['origin']} at offset {made['offset']}{time}")
    else:
        screen.say("the log has no change of it up to there")


def _show_rows(screen: Screen, report: Report, sample: Sample, out: str | None) -> None:
    rows = counted(report.get("rows", 0), "row")
    if out is not None:
        screen.say(f"{rows} of {report['collection']} as of offset {report['offset']} in {out}", style="green")
        return
    if sample.rows:
        screen.records(sample.rows, report.get("columns", []))
    more = report.get("rows", 0) - len(sample.rows)
    screen.say(f"{rows} of {report['collection']} as of offset {report['offset']}")
    if more > 0:
        screen.say(f"{more:,} more are not shown; all of them: --out FILE")
