"""`syncline run`: serve the space until stopped, or until everything is delivered and compared."""

import asyncio
import gc
from contextlib import nullcontext
from typing import Annotated

import typer

from syncline.cli import facade
from syncline.cli.board import watch
from syncline.cli.ending import Caught, exit_after, until_signal
from syncline.cli.exits import Exit
from syncline.cli.facade import Facade, Report
from syncline.cli.feed import Feed
from syncline.cli.options import Config, ConfigOption, Json, config_path
from syncline.cli.prepare import space_of
from syncline.cli.render import Screen
from syncline.cli.serve import Listen, door, tell
from syncline.cli.status import show
from syncline.server.optional import Listening

# rows in flight are many objects and no cycles: looking through them all the time would take a fifth of the processor
_GARBAGE = (100_000, 50, 100)


def run(
    config: Config = None,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="Stop once everything captured is delivered and compared.")
    ] = False,
    listen: Listen = None,
    option: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Run the hub: capture, settle, deliver; and answer HTTP, if a place for that is said.

    Stops gracefully on Ctrl-C or SIGTERM; a second one stops at once.
    """
    screen = Screen(as_json)
    gc.freeze()
    gc.set_threshold(*_GARBAGE)
    space = space_of(config_path(config, option))
    with door(space, listen) as listening:
        if listening is not None:
            tell(screen, listening)
        report, caught = asyncio.run(_serve(facade.hub_for(space), until_idle, screen, listening))
    screen.data(report)
    show(screen, report)
    if until_idle and not caught:
        if not report.get("converged"):
            screen.say("the peers are not all equal, or not all here; see: syncline verify", style="red")
        return Exit.OK if report.get("converged") else Exit.DIFFERENT
    return Exit.INTERRUPTED if until_idle and caught else exit_after(caught)


async def _serve(hub: Facade, until_idle: bool, screen: Screen, listening: Listening | None) -> tuple[Report, Caught]:
    """The final status, and the signals that ended it."""
    stop, caught = until_signal(screen)
    feed = Feed()
    async with listening.answering(hub) if listening is not None else nullcontext():
        report = await watch(screen, feed, hub.run(until_idle, feed, stop), hub.status)
    return report, caught
