"""`syncline verify`: compare all peers row by row, and say where they differ."""

import asyncio
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
from syncline.model.words import counted

ORDER = ("collection", "key", "fields", "state")


def verify(
    config: Config = None,
    repair: Annotated[bool, typer.Option("--repair", help="Settle drift through the log, field by field.")] = False,
    option: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Compare all peers row by row.

    Names peer, collection, key and fields of every difference; exits 1 if there is one.
    """
    screen = Screen(as_json)
    report = asyncio.run(_verify(facade.hub_for(space_of(config_path(config, option))), repair, screen))
    screen.data(report)
    _show(screen, report)
    return Exit.OK if report.get("equal") else Exit.DIFFERENT


async def _verify(hub: Facade, repair: bool, screen: Screen) -> Report:
    feed = Feed()
    return await watch(screen, feed, hub.verify(repair, feed))


def _show(screen: Screen, report: Report) -> None:
    differences = report.get("differences", [])
    if differences:
        flat = [
            {**{name: value for name, value in one.items() if name != "peers"}, **one.get("peers", {})} for one in differences
        ]
        screen.records(flat, ORDER)
    rows = report.get("rows", 0)
    through = ", ".join(f"{name} {offset}" for name, offset in report.get("verified_through", {}).items())
    if report.get("equal"):
        screen.say(
            f"equal: {counted(rows, 'row')} compared" + (f"; verified through {through}" if through else ""), style="green"
        )
    else:
        drift = report.get("drift", sum(1 for one in differences if one.get("state") == "drift"))
        screen.say(
            f"not equal: {counted(rows, 'row')} compared, {drift:,} {'differs' if drift == 1 else 'differ'}", style="red"
        )
    if report.get("not_compared"):
        screen.say(f"not compared, because not live: {', '.join(report['not_compared'])}", style="yellow")
    for name, what in (("pending", "under way"), ("parked", "parked"), ("repaired", "repaired through the log")):
        if report.get(name):
            screen.say(f"{counted(report[name], 'row')} {what}", style="cyan")
