"""The live board: what goes on while a verb works. On a terminal a table and bars, elsewhere log lines, with --json nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from syncline.cli.facade import Report
from syncline.cli.feed import Feed
from syncline.cli.layout import drawn
from syncline.cli.render import Screen, cell
from syncline.model.errors import SynclineError

T = TypeVar("T")
_LIVE_SECONDS: Final = 0.5
_LINE_SECONDS: Final = 1.0
PEER_HEADERS: Final = ("peer", "state", "behind", "seconds", "parked", "open conflicts", "applied")


async def watch(
    screen: Screen, feed: Feed, work: Coroutine[Any, Any, T], status: Callable[[], Awaitable[Report]] | None = None
) -> T:
    """Do `work` while the screen shows the feed, and the status where there is one. The result of `work`."""
    if screen.as_json:
        return await work
    task = asyncio.ensure_future(work)
    follow = asyncio.ensure_future(_live(screen, feed, status) if screen.is_live else _log(screen, feed))
    try:
        return await task
    finally:
        task.cancel()
        follow.cancel()
        (ended,) = await asyncio.gather(follow, return_exceptions=True)
        if isinstance(ended, Exception):  # the display is no reason to lose the work's result
            screen.warn(f"the display failed: {type(ended).__name__}: {ended}", style="yellow")
        if not screen.is_live:
            _flush(screen, feed)


async def _log(screen: Screen, feed: Feed) -> None:
    while True:
        await asyncio.sleep(_LINE_SECONDS)
        _flush(screen, feed)


def _flush(screen: Screen, feed: Feed) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for line in feed.lines():
        screen.say(f"{now} {line}")


async def _live(screen: Screen, feed: Feed, status: Callable[[], Awaitable[Report]] | None) -> None:
    with Live(console=screen.out, auto_refresh=False, transient=True) as live:
        while True:
            live.update(await _picture(feed, status), refresh=True)
            await asyncio.sleep(_LIVE_SECONDS)


async def _picture(feed: Feed, status: Callable[[], Awaitable[Report]] | None) -> RenderableType:
    parts: list[RenderableType] = []
    if status is not None:
        try:
            report = await status()
            parts.append(drawn(PEER_HEADERS, peer_rows(report, feed), right=range(2, len(PEER_HEADERS))))
            alarms = [peer["alarm"] for peer in report.get("peers", {}).values() if peer.get("alarm")]
            parts += [Text(cell(alarm["text"]), style="yellow") for alarm in alarms]
        except SynclineError as error:  # the picture is missing, the work goes on
            parts.append(Text(cell(error.text()), style="yellow"))
    if feed.bars:
        bars = Progress(TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), MofNCompleteColumn())
        for title, bar in feed.bars.items():
            bars.add_task(cell(title), completed=bar.done, total=bar.total)
        parts.append(bars)
    return Group(*parts)


def peer_rows(report: Report, feed: Feed | None = None) -> list[list[str]]:
    """A status as one row per peer: the sums over its collections, and what the feed counted."""
    rows = []
    for name, peer in report.get("peers", {}).items():
        collections = list(peer.get("collections", {}).values())
        lag = [float(found["lag_seconds"]) for found in collections if found.get("lag_seconds") is not None]
        counted = feed.counts if feed is not None else {}
        row: list[object] = [
            name,
            peer.get("state"),
            max((int(found.get("lag_entries") or 0) for found in collections), default=0),
            max(lag, default=None),
            sum(int(found.get("parked") or 0) for found in collections),
            sum(int(found.get("conflicts_open") or 0) for found in collections),
            counted.get(("batch.applied", name), 0),
        ]
        rows.append([cell(value) for value in row])
    return rows
