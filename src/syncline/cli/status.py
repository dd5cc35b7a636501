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
from syncline.model.limits import STATUS_CHANGES_MAX
from syncline.model.words import counted

HEADERS = (
    "peer", "collection", "state", "behind", "seconds", "uncaptured", "offset", "watermark", "parked", "open conflicts",
    "all conflicts", "verified through",
)  # fmt: skip
FIELDS = (
    "state", "lag_entries", "lag_seconds", "uncaptured", "log_offset", "watermark", "parked", "conflicts_open",
    "conflicts_all", "verified_through",
)  # fmt: skip


def status(
    config: Config = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.1, help="Seconds between two looks with --watch.")] = 2.0,
    option: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Show state, lag, conflicts and proof of each peer."""
    screen = Screen(as_json)
    hub = facade.hub_for(load(config_path(config, option), absent_ok=True))
    while True:
        report = asyncio.run(hub.status())
        if watch and screen.is_live:
            screen.out.clear()
        show(screen, report)
        screen.data(report)
        if not watch:
            return Exit.OK
        time.sleep(every)


def show(screen: Screen, report: Report) -> None:
    """A status for people."""
    hub, log = report.get("hub", {}), report.get("log", {})
    running = f"hub running (pid {hub.get('pid', 'unknown')})" if hub.get("running") else "no hub running"
    size = f"log {log.get('floor', 0)}..{log.get('head', 0)}, {log.get('bytes', 0):,} bytes"
    screen.say(f"{report.get('space', '')}: {running}; {size}")
    if log.get("reason"):
        screen.say(f"log: waiting: {log['reason']}", style="yellow")
    rows = []
    for name, peer in report.get("peers", {}).items():
        for collection, found in peer.get("collections", {}).items():
            rows.append([name, collection, *(cell(found.get(field)) for field in FIELDS)])
    if rows:
        screen.table(HEADERS, rows)
    else:
        screen.table(PEER_HEADERS[:-1], [row[:-1] for row in peer_rows(report)])
    for name, peer in report.get("peers", {}).items():
        if peer.get("reason"):
            screen.say(f"{name}: {peer.get('state')}: {peer['reason']}", style="yellow")
        uncaptured = _sum(peer, "uncaptured")
        if uncaptured:
            what = counted(uncaptured, "change") + (" or more" if uncaptured >= STATUS_CHANGES_MAX else "")
            screen.say(f"{name}: {what} in its file that no hub has captured yet. Next: syncline run", style="yellow")
    if any(_sum(peer, "parked") for peer in report.get("peers", {}).values()):
        screen.say("parked: rows that a peer refused. Next: syncline parked", style="yellow")
    if any(_sum(peer, "conflicts_open") for peer in report.get("peers", {}).values()):
        screen.say("open conflicts: a person has to settle them. Next: syncline conflicts", style="yellow")


def _sum(peer: Report, field: str) -> int:
    return sum(int(found.get(field) or 0) for found in peer.get("collections", {}).values())
