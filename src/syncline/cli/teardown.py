"""`syncline teardown`: leave no trigger or table of ours behind, at one peer or at all."""

import asyncio
import sys
from typing import Annotated

import typer

from syncline.cli import facade
from syncline.cli.exits import Exit
from syncline.cli.options import ConfigOption, Json, with_config
from syncline.cli.pause import PeerWords, peer_of
from syncline.cli.prepare import space_of
from syncline.cli.render import Screen
from syncline.model.errors import UsageError


def teardown(
    words: PeerWords = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    foreign: Annotated[bool, typer.Option("--foreign", help="Also what another space put there, and holds.")] = False,
    config: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Remove what Syncline put into a peer, or all.

    Your rows stay. What is not yet delivered from there is lost to the others.
    """
    screen = Screen(as_json)
    path, rest = with_config(words or [], config)
    space = space_of(path)
    peer = peer_of(space, rest)
    if not yes:
        _ask(screen, peer or f"all {len(space.peers)} peers")
    report = asyncio.run(facade.hub_for(space).teardown(peer, True, foreign))
    screen.data(report)
    screen.say(f"{peer or 'every peer'} is as it was before Syncline; its rows stay", style="green")
    if report.get("hub", {}).get("running"):
        screen.say(f"the running hub goes on without {peer}; to have it back: syncline resume {peer} --rejoin", style="yellow")
    elif peer is None:
        screen.say("the log keeps its history; the next run begins anew", style="yellow")
    return Exit.OK


def _ask(screen: Screen, whom: str) -> None:
    if screen.as_json or not sys.stdin.isatty():
        raise UsageError("teardown needs a yes", why="nobody is there to ask", hint="give --yes")
    question = f"Remove Syncline from {whom}? What is not yet delivered from there is then lost to the others."
    typer.confirm(question, abort=True)
