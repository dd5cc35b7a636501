"""`syncline serve`: HTTP beside a running hub, or where none runs: status, metrics and drift, to be read."""

import asyncio
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, TypeAlias

import typer

from syncline.cli import facade
from syncline.cli.ending import Caught, exit_after, until_signal
from syncline.cli.facade import Facade
from syncline.cli.options import Config, ConfigOption, Json, config_path
from syncline.cli.render import Screen
from syncline.config.load import load
from syncline.config.serving import LISTEN, served
from syncline.model.space import Space
from syncline.server.optional import Listening, opened

Listen: TypeAlias = Annotated[
    str | None, typer.Option("--listen", metavar="HOST:PORT", help="Where to answer HTTP; wins over the configuration.")
]


def serve(config: Config = None, listen: Listen = None, option: ConfigOption = None, as_json: Json = False) -> int:
    """Answer HTTP: status, metrics and drift, to be read. Needs no running hub, and asks one if it runs.

    Listens at 127.0.0.1:9640 if nothing else is said. Stops on Ctrl-C or SIGTERM.
    """
    screen = Screen(as_json)
    space = load(config_path(config, option), absent_ok=True)
    with door(space, listen or space.serve.listen or LISTEN) as listening:
        if listening is not None:
            screen.data({"listening": listening.url})
            tell(screen, listening)
            return exit_after(asyncio.run(_answer(screen, facade.hub_for(space), listening)))
    return 0


def door(space: Space, listen: str | None) -> AbstractContextManager[Listening | None]:
    """The place where HTTP is answered, None if nobody asked for one. Raises UsageError where it cannot be listened at."""
    said = served(space, listen)
    return nullcontext() if said is None else opened(said)


def tell(screen: Screen, listening: Listening) -> None:
    """Say where; at once, also where the output is kept back until there is more of it."""
    screen.say(f"listening at {listening.url}")
    screen.out.file.flush()


async def _answer(screen: Screen, hub: Facade, listening: Listening) -> Caught:
    stop, caught = until_signal(screen)
    async with listening.answering(hub):
        await stop.wait()
    return caught
