"""`syncline verify`: compare all peers row by row, and say where they differ."""

import asyncio
from typing import Annotated

import typer

from syncline.cli import facade
from syncline.cli.board import watch
from syncline.cli.exits import Exit
from syncline.cli.facade import Facade, Report
from syncline.cli.feed import Feed
from syncline.cli.options import CollectionWords, ConfigOption, Json, with_config
from syncline.cli.prepare import space_of
from syncline.cli.render import Screen, value_text
from syncline.model.proof import Wanted
from syncline.model.words import counted

ORDER = ("collection", "key", "fields", "state")
SHOWN = 80  # characters of a value


def verify(
    words: CollectionWords = None,
    repair: Annotated[bool, typer.Option("--repair", help="Settle drift through the log, field by field.")] = False,
    sample: Annotated[int, typer.Option("--sample", min=1, max=100, help="Percent of the ranges: proves nothing else.")] = 100,
    seed: Annotated[int, typer.Option("--seed", help="Which ranges --sample takes.")] = 0,
    budget: Annotated[int, typer.Option("--budget", min=1, max=100, help="Percent of the time that it may take.")] = 100,
    rows_per_second: Annotated[int, typer.Option("--rows-per-second", min=0, help="No more than that; 0 for any.")] = 0,
    config: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Compare all peers row by row.

    COLLECTION: only these; without one, all. Names peer, collection, key and fields of every difference.

    Exits 1 if there is one.
    """
    screen = Screen(as_json)
    path, collections = with_config(words or [], config)
    wanted = Wanted(tuple(collections), sample / 100, seed, budget / 100, rows_per_second)
    report = asyncio.run(_verify(facade.hub_for(space_of(path)), repair, wanted, screen))
    screen.data(report)
    _show(screen, report)
    return Exit.OK if report.get("equal") else Exit.DIFFERENT


async def _verify(hub: Facade, repair: bool, wanted: Wanted, screen: Screen) -> Report:
    feed = Feed()
    return await watch(screen, feed, hub.verify(repair, feed, wanted))


def _show(screen: Screen, report: Report) -> None:
    differences, more = report.get("differences", []), report.get("differences_not_listed", 0)
    if differences:
        flat = [{**one, **_values(one)} for one in differences]
        peers = dict.fromkeys(name for one in differences for name in one.get("peers", {}))
        screen.records(flat, ORDER, only=True, below=tuple(f"at {name}" for name in peers))
    if more:
        screen.say(f"{counted(more, 'difference')} more, not listed", style="yellow")
    rows = counted(report.get("rows", 0), "row")
    through = ", ".join(f"{name} {offset}" for name, offset in report.get("verified_through", {}).items() if offset is not None)
    drift = report.get("drift", sum(1 for one in differences if one.get("state") == "drift"))
    if report.get("equal") and report.get("sampled"):
        screen.say(f"no difference in a sample: {rows} compared, the others were not; nothing is proven", style="yellow")
    elif report.get("equal"):
        screen.say(f"equal: {rows} compared{f'; verified through {through}' if through else ''}", style="green")
    elif drift:
        screen.say(f"not equal: {rows} compared, {drift:,} {'differs' if drift == 1 else 'differ'}", style="red")
    else:
        found = f"{counted(len(differences) + more, 'difference')} on the way or parked" if differences else "none differ"
        screen.say(f"not proven equal: {rows} compared, {found}", style="yellow")
    why = report.get("why_not_compared", {})
    for name in report.get("not_compared", []):
        screen.say(f"{name} was not compared: {why.get(name) or 'it is not live'}. See: syncline status", style="yellow")
    _show_under_way(screen, report)
    if report.get("parked"):
        screen.say(f"{_parked(report)}. See: syncline parked", style="yellow")
    if report.get("repaired"):
        screen.say(f"{counted(report['repaired'], 'row')} repaired through the log", style="cyan")


def _show_under_way(screen: Screen, report: Report) -> None:
    """What has not arrived everywhere. Without a hub it never will: then not patience helps, but a run."""
    for name, count in report.get("uncaptured", {}).items():
        screen.say(f"{name}: {counted(count, 'change')} that no hub has captured yet. Next: syncline run", style="yellow")
    if report.get("pending"):
        rows = counted(report["pending"], "row")
        at_rest = "uncaptured" in report
        then = "not arrived everywhere, and no hub runs. Next: syncline run"
        screen.say(f"{rows} under way: {then if at_rest else 'not arrived everywhere yet. Verify again'}", style="yellow")


def _values(difference: Report) -> dict[str, str]:
    """What each peer has in the fields that differ, under the peer's name."""
    held = difference.get("peers", {}).items()
    return {f"at {peer}": "(no such row)" if fields is None else _fields(fields) for peer, fields in held}


def _fields(fields: Report) -> str:
    if len(fields) == 1:  # which one stands in the row above
        return _short(next(iter(fields.values())))
    return ", ".join(f"{name} {_short(value)}" for name, value in fields.items())


def _short(value: object) -> str:
    """A value, or how it begins and how long it is; --json has it whole."""
    text = value_text(value)
    if len(text) <= SHOWN:
        return text
    return f"{text[:SHOWN]}... ({len(value if isinstance(value, str) else text):,} characters)"


def _parked(report: Report) -> str:
    """How many rows are parked, and where."""
    at = ", ".join(f"{count:,} at {peer}" for peer, count in report.get("parked_at", {}).items())
    rows = counted(report["parked"], "row")
    return f"{rows} parked{f' ({at})' if at else ''}: refused there, so what the others have is not there"
