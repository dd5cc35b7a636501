"""`syncline status`: per peer and collection the state, the lag, and up to where equality was proven."""

import asyncio
import time
from typing import Annotated

import typer

from syncline.cli import facade
from syncline.cli.board import PEER_HEADERS, peer_rows
from syncline.cli.exits import Exit
from syncline.cli.facade import Report
from syncline.cli.options import Config, ConfigOption, Json, config_path
from syncline.cli.render import Screen, cell
from syncline.config.load import load
from syncline.hub.standing import red
from syncline.model.errors import UsageError
from syncline.model.limits import STATUS_CHANGES_MAX
from syncline.model.words import counted

TOLD = ("drift", "stalled", "unproven", "away")
COLUMNS = {"behind": "lag_entries", "seconds": "lag_seconds", "uncaptured": "uncaptured", "parked": "parked"}


def status(
    config: Config = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.1, help="Seconds between two looks with --watch.")] = 2.0,
    check: Annotated[bool, typer.Option("--check", help="Say only what is red, and exit 1 if anything is.")] = False,
    option: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Show state, lag, conflicts and proof of each peer.

    Exits 0 whatever it shows; with --check 1 if anything is red, for cron and monitoring.
    """
    screen = Screen(as_json)
    if check and watch:
        raise UsageError("--check looks once, and --watch again and again", hint="give one of them")
    hub = facade.hub_for(load(config_path(config, option), absent_ok=True))
    while True:
        report = asyncio.run(hub.status())
        if check:
            return _check(screen, report)
        if watch and screen.is_live:
            screen.out.clear()
        show(screen, report)
        screen.data(report)
        if not watch:
            return Exit.OK
        time.sleep(every)


def _check(screen: Screen, report: Report) -> Exit:
    """Only what is red. Where nothing is, nothing is said."""
    found = red(report)
    screen.data(report | {"red": found})
    for one in found:
        where = " at ".join(filter(None, (one["collection"], one["peer"])))
        screen.say(f"{where or 'hub'}: {one['why']}", style="red")
    return Exit.DIFFERENT if found else Exit.OK


def show(screen: Screen, report: Report) -> None:
    """A status for people."""
    hub, log = report.get("hub", {}), report.get("log", {})
    running = f"hub running (pid {hub.get('pid', 'unknown')})" if hub.get("running") else "no hub running"
    size = f"log {log.get('floor', 0)}..{log.get('head', 0)}, {log.get('bytes', 0):,} bytes"
    size = size if log.get("bytes") else "no log yet"
    screen.say(f"{report.get('space', '')}: {running}; {size}")
    if log.get("reason"):
        screen.say(f"log: waiting: {log['reason']}", style="yellow")
    rows: list[dict[str, str]] = []
    for name, peer in report.get("peers", {}).items():
        for collection, found in peer.get("collections", {}).items():
            rows.append(_row(name, collection, found))
    if rows:
        idle = ("", "0")  # of columns that say nothing; what is not captured has a line of its own, too
        titles = [name for name in rows[0] if any(row[name] not in (idle if name == "uncaptured" else ("",)) for row in rows)]
        screen.table(titles, [[row[name] for name in titles] for row in rows], keep=2)
    else:
        screen.table(PEER_HEADERS[:-1], [row[:-1] for row in peer_rows(report)])
    _show_proofs(screen, report)
    for name, peer in report.get("peers", {}).items():
        if peer.get("reason"):
            told = " left the space" if peer.get("stage") == "left" else f": {peer.get('state')}:"
            alarm = any((found.get("proof") or {}).get("alarm") for found in peer.get("collections", {}).values())
            screen.say(f"{name}{told} {peer['reason']}", style="red" if alarm else "yellow")
        if peer.get("alarm"):
            screen.say(f"{name}: {peer['alarm']['text']}", style="yellow")
        if peer.get("set_aside"):
            screen.say(set_aside(name, peer["set_aside"]), style="yellow")
        uncaptured = _sum(peer, "uncaptured")
        if uncaptured:
            what = counted(uncaptured, "change") + (" or more" if uncaptured >= STATUS_CHANGES_MAX else "")
            screen.say(f"{name}: {what} that no hub has captured yet. Next: syncline run", style="yellow")
    stages = [peer.get("stage") for peer in report.get("peers", {}).values()]
    if stages and all(stage == "left" for stage in stages):
        screen.say("every peer has left: the next run begins anew", style="yellow")
    for one in report.get("waiting_columns", []):
        screen.say(f"{one['where'].get('collection')}: {one['what']}: {one['why']}. Next: {one['fix']}", style="yellow")
    if any(_sum(peer, "parked") for peer in report.get("peers", {}).values()):
        screen.say("parked: rows that a peer refused. Next: syncline parked", style="yellow")
    if any(_sum(peer, "conflicts_open") for peer in report.get("peers", {}).values()):
        screen.say("open conflicts: a person has to settle them. Next: syncline conflicts", style="yellow")


def _show_proofs(screen: Screen, report: Report) -> None:
    """What is not proven, and why; in red where it should have been."""
    told: dict[tuple[str, str, bool], list[str]] = {}
    for name, peer in report.get("peers", {}).items():
        for collection, found in peer.get("collections", {}).items():
            proof = found.get("proof") or {}
            told_below = (
                proof.get("standing") == "away" and peer.get("reason") and str(peer["reason"]) in str(proof.get("cause"))
            )
            if proof.get("cause") and proof["standing"] in TOLD and peer.get("stage") != "left" and not told_below:
                told.setdefault((collection, f"{proof['standing']}: {proof['cause']}", proof["alarm"]), []).append(name)
    for (collection, text, alarm), names in told.items():
        screen.say(f"{collection} at {', '.join(names)}: {text}", style="red" if alarm else "yellow")
    if report.get("repair_alarm"):
        one = report["repair_alarm"]
        screen.say(f"{one['code']} {one['what']}: {one['why']}. Next: {one['fix']}", style="red")
    if any((found.get("proof") or {}).get("standing") == "drift" for found in _copies(report)):
        screen.say("drift and what repairs it: syncline drift", style="red")


def set_aside(peer: str, lost: Report) -> str:
    """What a join set aside of a peer's rows, how to see it and how to put it back."""
    rows = counted(lost["rows"], "row of it differed from the space's and was", "rows of it differed from the space's and were")
    return (
        f"{peer}: when it joined, {rows} set aside as conflicts. List: syncline conflicts list --all --after {lost['after']}. "
        f"Put back: syncline conflicts resolve ID... --take {peer}"
    )


def _row(peer: str, collection: str, found: Report) -> dict[str, str]:
    """One line: fits a terminal of 80 columns with names of usual length."""
    return {
        "peer": peer,
        "collection": collection,
        "state": cell(found.get("state")),
        **{title: cell(found.get(field)) for title, field in COLUMNS.items()},
        "conflicts": f"{found.get('conflicts_open') or 0} open of {found.get('conflicts_all') or 0}",
        "verified": cell(found.get("verified_through")),
        "proof": cell((found.get("proof") or {}).get("standing")),
    }


def _copies(report: Report) -> list[Report]:
    return [found for peer in report.get("peers", {}).values() for found in peer.get("collections", {}).values()]


def _sum(peer: Report, field: str) -> int:
    return sum(int(found.get(field) or 0) for found in peer.get("collections", {}).values())
