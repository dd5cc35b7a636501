"""`syncline rename`: a peer gets another name, and stays who it is."""

import asyncio
from typing import Annotated

import typer

from syncline.cli import facade
from syncline.cli.exits import Exit
from syncline.cli.options import ConfigOption, Json, exactly, with_config
from syncline.cli.prepare import space_of
from syncline.cli.render import Screen


def rename(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[CONFIG] OLD NEW", help="The name it had, and the one it has now.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, it is only shown.")] = False,
    config: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Give a peer another name.

    Write the new name into the configuration first. Positions, parked rows, open conflicts and proofs go with it.
    """
    screen = Screen(as_json)
    path, rest = with_config(words or [], config)
    old, new = exactly("rename", rest, "OLD", "NEW")
    report = asyncio.run(facade.hub_for(space_of(path)).rename(old, new, yes))
    screen.data(report)
    if report.get("renamed"):
        since = f"{old} is {new} from entry {report['offset']} on" if report.get("offset") else f"{old} is already called {new}"
        screen.say(since, style="green")
        return Exit.OK
    carried = f"entries up to {report.get('watermark')} that it has confirmed, {report.get('parked')} parked rows"
    screen.say(f"{old} would become {new}, and keep what is known of it: {carried},")
    screen.say(f"{report.get('conflicts_open')} open conflicts, and what was proven; the history goes on showing {old} before")
    screen.say(f"nothing was changed; to do it: syncline rename {old} {new} --yes", style="yellow")
    return Exit.OK
