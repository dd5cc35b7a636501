"""How a verb that goes on until stopped is stopped: Ctrl-C or SIGTERM ends it in good order, a second one at once."""

import asyncio
import signal
from contextlib import suppress

from syncline.cli.exits import Exit
from syncline.cli.render import Screen

Caught = list[signal.Signals]


def until_signal(screen: Screen) -> tuple[asyncio.Event, Caught]:
    """What is set when the process is asked to stop, and the signals that asked. For the running loop."""
    stop = asyncio.Event()
    caught: Caught = []
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
    return stop, caught


def exit_after(caught: Caught) -> Exit:
    """The exit code of a verb that would go on for ever: SIGTERM is how it is meant to end."""
    return Exit.OK if caught in ([], [signal.SIGTERM]) else Exit.INTERRUPTED
