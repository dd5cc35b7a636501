"""`syncline resume`: let a peer, or all, take part again; with --rejoin after comparing and merging."""

import asyncio
from typing import Annotated

import typer

from syncline.cli import facade
from syncline.cli.exits import Exit
from syncline.cli.options import ConfigOption, Json, with_config
from syncline.cli.pause import PeerWords, peer_of
from syncline.cli.render import Screen
from syncline.config.load import load
from syncline.model.errors import UsageError


def resume(
    words: PeerWords = None,
    rejoin: Annotated[
        bool, typer.Option("--rejoin", help="Compare and merge first (stale, restored or copied peers).")
    ] = False,
    authority: Annotated[
        str | None, typer.Option("--authority", metavar="PEER", help="With --rejoin: whose rows stand where they differ.")
    ] = None,
    approve: Annotated[bool, typer.Option("--approve", help="Let the mass change pass that the guard has held back.")] = False,
    config: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Resume a peer, or all."""
    screen = Screen(as_json)
    path, rest = with_config(words or [], config)
    space = load(path, absent_ok=True)
    peer = peer_of(space, rest)
    if authority is not None:
        if not rejoin:
            raise UsageError("--authority belongs to --rejoin", hint="give both, or neither")
        peer_of(space, [authority])
    screen.data(asyncio.run(facade.hub_for(space).resume(peer, rejoin, authority, approve)))
    screen.say(f"{peer or 'every peer'} takes part again" + (", after comparing and merging" if rejoin else ""), style="green")
    return Exit.OK
