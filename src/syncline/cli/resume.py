"""`syncline resume`: let a peer, or all, take part again; with --rejoin after comparing and merging."""

import asyncio
from typing import Annotated

import typer

from syncline.cli import facade
from syncline.cli.exits import Exit
from syncline.cli.facade import Report
from syncline.cli.options import ConfigOption, Json, with_config
from syncline.cli.pause import PeerWords, peer_of
from syncline.cli.prepare import space_of
from syncline.cli.render import Screen
from syncline.cli.status import set_aside
from syncline.model.errors import UsageError


def resume(
    words: PeerWords = None,
    rejoin: Annotated[
        bool, typer.Option("--rejoin", help="Compare and merge first (stale, restored or copied peers).")
    ] = False,
    authority: Annotated[
        str | None, typer.Option("--authority", metavar="PEER", help="With --rejoin: whose rows stand where they differ.")
    ] = None,
    approve: Annotated[bool, typer.Option("--approve", help="Let the mass change pass that the brake has held back.")] = False,
    config: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Resume a peer, or all."""
    screen = Screen(as_json)
    path, rest = with_config(words or [], config)
    space = space_of(path)
    peer = peer_of(space, rest)
    if authority is not None:
        if not rejoin:
            raise UsageError("--authority belongs to --rejoin", hint="give both, or neither")
        peer_of(space, [authority])
    report = asyncio.run(facade.hub_for(space).resume(peer, rejoin, authority, approve))
    screen.data(report)
    how = "joins again, by comparing and merging" if rejoin else "takes part again"
    when = "" if report.get("hub", {}).get("running") else ", with the next run"
    for name in report.get("resumed", []):
        idle = not rejoin and name in report.get("not_paused", ())
        screen.say(f"{name} was not paused: nothing is changed" if idle else f"{name} {how}{when}", style="green")
        if report.get("states", {}).get(name) == "waiting":
            screen.say(f"{name} cannot be reached now; it goes on by itself once it can. See: syncline status", style="yellow")
        if rejoin:
            state, lost = (report.get(part, {}).get(name) for part in ("states", "set_aside"))
            _tell_what_differs(screen, name, authority, state, lost)
    for name, error in report.get("aside", {}).items():
        screen.say(f"{name} is not resumed: {error.get('what')}. Fix: {error.get('fix')}", style="yellow")
    return Exit.OK


def _tell_what_differs(screen: Screen, name: str, authority: str | None, state: str | None, lost: Report | None) -> None:
    """What becomes of its rows that differ from the space's; or what became of them, where the join is over."""
    if lost is not None:
        screen.say(set_aside(name, lost), style="yellow")
    elif state == "live":
        screen.say(f"no row of {name} was set aside")
    elif authority is not None:
        screen.say(f"where rows differ, those of {authority} will stand, and the others are kept as conflicts", style="yellow")
    else:
        screen.say(
            f"where its rows differ and nothing tells who wrote last, the space's values will stand, and {name}'s are kept as "
            "conflicts; afterwards 'syncline status' says how many, how to list them and how to put them back",
            style="yellow",
        )
