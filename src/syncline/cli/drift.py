"""`syncline drift`: incidents: rows that differed though nothing was under way, since when, why, and what repairs them."""

import asyncio
from typing import Annotated

import typer

from syncline.cli import facade
from syncline.cli.exits import Exit
from syncline.cli.facade import Report
from syncline.cli.options import Config, ConfigOption, Json, config_path
from syncline.cli.render import Screen, local_moment, value_text
from syncline.config.load import load
from syncline.model.words import counted

ORDER = ("id", "collection", "rows", "at", "cause", "found", "between", "ended")
BELOW = ("keys", "why", "next")


def drift(
    config: Config = None,
    everything: Annotated[bool, typer.Option("--all", help="Also incidents that are over.")] = False,
    option: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """List drift that was found.

    Which rows, when they were found, between which entries of the log they came to differ (the last at which they were proven
    equal, and the one at which they were found), the likely cause, and what would repair them. Exits 1 if any is open.
    """
    screen = Screen(as_json)
    found = asyncio.run(facade.hub_for(load(config_path(config, option), absent_ok=True)).drift())
    listed = [one for one in found if everything or one["open"]]
    screen.data({"listed": "all" if everything else "open", "incidents": listed})
    if listed:
        screen.records([_shown(one) for one in listed], ORDER, only=True, below=BELOW)
    else:
        screen.say("no drift was found" if everything else "no open drift", style="green")
    return Exit.DIFFERENT if any(one["open"] for one in found) else Exit.OK


def _shown(one: Report) -> Report:
    keys = ", ".join(" ".join(map(value_text, key)) for key in one["keys"])
    more = one["rows"] - len(one["keys"])
    return {
        "id": one["id"],
        "collection": one["collection"],
        "rows": one["rows"],
        "at": ", ".join(one["peers"]) or "?",
        "cause": one["cause"],
        "found": local_moment(one.get("found_at")),
        "between": f"{one['first'] or 'never equal'}..{one['last']}",
        "ended": None if one["open"] else one["how"],
        "keys": f"{keys}{_more(more)}",
        "why": one["why"],
        "next": one["remedy"] if one["open"] else "",
    }


def _more(count: int) -> str:
    return f" and {counted(count, 'other')}" if count > 0 else ""
