"""`syncline pause`: let a peer, or all, stand aside for a while; the log keeps what it misses."""

import asyncio
from typing import Annotated

import typer

from syncline.cli import facade
from syncline.cli.exits import Exit
from syncline.cli.options import ConfigOption, Json, at_most_one, with_config
from syncline.cli.prepare import space_of
from syncline.cli.render import Screen
from syncline.model.errors import UsageError
from syncline.model.space import Space

PeerWords = Annotated[list[str] | None, typer.Argument(metavar="[CONFIG] [PEER]", help="A peer; without one, all peers.")]


def pause(words: PeerWords = None, config: ConfigOption = None, as_json: Json = False) -> int:
    """Pause a peer, or all."""
    screen = Screen(as_json)
    path, rest = with_config(words or [], config)
    space = space_of(path)
    peer = peer_of(space, rest)
    screen.data(asyncio.run(facade.hub_for(space).pause(peer)))
    screen.say(f"{peer or 'every peer'} is paused", style="yellow")
    return Exit.OK


def peer_of(space: Space, words: list[str]) -> str | None:
    """The peer that the words name, None for all. Raises UsageError if the space has no such peer."""
    peer = at_most_one(words, "PEER")
    if peer is not None and peer not in space.peers:
        raise UsageError(
            f"there is no peer {peer!r}", why=f"{space.path} does not list it", hint=f"use one of: {', '.join(space.peers)}"
        )
    return peer
