"""`syncline run`: serve the space until stopped, or until everything is delivered and compared."""

import asyncio
import gc
import signal
from contextlib import suppress
from typing import Annotated

import typer

from syncline.cli import facade
from syncline.cli.board import watch
from syncline.cli.exits import Exit
from syncline.cli.facade import Facade, Report
from syncline.cli.feed import Feed
from syncline.cli.options import Config, ConfigOption, Json, config_path
from syncline.cli.prepare import space_of
from syncline.cli.render import Screen
from syncline.cli.status import show

# rows in flight are many objects and no cycles: looking through them all the time would take a fifth of the processor
_GARBAGE = (100_000, 50, 100)


def run(
    config: Config = None,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="Stop once everything captured is delivered and compared.")
    ] = False,
    option: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Run the hub: capture, settle, deliver.

    Stops gracefully on Ctrl-C or SIGTERM; a second one stops at once.
    """
    screen = Screen(as_json)
    gc.freeze()
    gc.set_threshold(*_GARBAGE)
    report, caught = asyncio.run(_serve(facade.hub_for(space_of(config_path(config, option))), until_idle, screen))
    screen.data(report)
    show(screen, report)
    if until_idle and not caught:
        if not report.get("converged"):
            screen.say("the peers are not all equal, or not all here; see: syncline verify", style="red")
        return Exit.OK if report.get("converged") else Exit.DIFFERENT
    return Exit.OK if caught == [signal.SIGTERM] and not until_idle else Exit.INTERRUPTED if caught else Exit.OK


async def _serve(hub: Facade, until_idle: bool, screen: Screen) -> tuple[Report, list[signal.Signals]]:
    """The final status, and the signals that ended it."""
    stop = asyncio.Event()
    caught: list[signal.Signals] = []
    loop = asyncio.get_running_loop()

    def end(number: signal.Signals) -> None:
        caught.append(number)
        stop.set()
        screen.say("stopping; once more to stop at once")
        for again in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(again)

    with suppress(NotImplementedError):  # no signal handlers in this loop: Ctrl-C still raises KeyboardInterrupt
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end, number)
    feed = Feed()
    report = await watch(screen, feed, hub.run(until_idle, feed, stop), hub.status)
    return report, caught
