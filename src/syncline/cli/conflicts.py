"""`syncline conflicts list|show|resolve`: what was contested, who lost, and the inbox of what a person has to settle."""

import asyncio
from typing import Annotated

import typer

from syncline.cli import facade
from syncline.cli.exits import Exit
from syncline.cli.facade import Report
from syncline.cli.options import After, Config, ConfigOption, InCollection, Json, Limit, config_path, exactly, with_config
from syncline.cli.render import Screen, moment, value_text
from syncline.config.load import load
from syncline.model.errors import UsageError

ORDER = ("id", "open", "collection", "key", "field", "rule", "winner", "time")
SIDES = ("ours", "theirs")
IdWords = Annotated[list[str], typer.Argument(metavar="[CONFIG] ID", help="The conflict, as `conflicts list` names it.")]
IdsWords = Annotated[list[str], typer.Argument(metavar="[CONFIG] ID...", help="Conflicts, as `conflicts list` names them.")]

app = typer.Typer(no_args_is_help=True, help="List conflicts, show both sides, settle them.")


@app.command("list")
def listing(
    config: Config = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that a rule has settled.")] = False,
    collection: InCollection = None,
    limit: Limit = 100,
    after: After = None,
    option: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """List conflicts that wait for a person, or all."""
    screen = Screen(as_json)
    hub = facade.hub_for(load(config_path(config, option), absent_ok=True))
    found = asyncio.run(hub.conflicts(not everything, collection, limit, after))
    screen.data({"listed": "all" if everything else "open", "conflicts": found})
    if not found:
        screen.say("no conflicts" if everything else "no open conflicts")
        return Exit.OK
    shown = [{**one, "time": moment(one.get("time")), **{side: _side(one, side) for side in SIDES}} for one in found]
    screen.records(shown, ORDER, only=True, below=SIDES)
    if len(found) == limit:
        screen.say(f"more with --after {found[-1].get('id')}")
    if any(one.get("open") for one in found):
        screen.say("next: syncline conflicts show ID, then syncline conflicts resolve ID --take PEER, or --set FIELD=VALUE")
    elif everything:
        screen.say("what lost can be put back: syncline conflicts resolve ID --take PEER")
    return Exit.OK


@app.command()
def show(words: IdWords, config: ConfigOption = None, as_json: Json = False) -> int:
    """Show one conflict with both images."""
    screen = Screen(as_json)
    path, rest = with_config(words, config)
    (name,) = exactly("conflicts show", rest, "ID")
    found = asyncio.run(facade.hub_for(load(path, absent_ok=True)).conflict(name))
    screen.data(found)
    screen.details(found)
    return Exit.OK


@app.command()
def resolve(
    words: IdsWords,
    take: Annotated[str | None, typer.Option("--take", metavar="PEER", help="Let this peer's side stand.")] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Set a field; may be repeated.")
    ] = None,
    config: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Settle conflicts, or put back what lost them.

    The decision travels as an ordinary change. A conflict that is closed, by a rule or by a person, can be decided anew.
    """
    screen = Screen(as_json)
    path, rest = with_config(words, config)
    names = rest if len(rest) > 1 else exactly("conflicts resolve", rest, "ID")
    values = _pairs(sets or [])
    if (take is None) == (not values):
        raise UsageError("say how to settle it", hint="give either --take PEER or --set FIELD=VALUE")
    hub, decided = facade.hub_for(load(path, absent_ok=True)), []
    for name in names:
        settled = asyncio.run(hub.settle(name, take, values))
        decided.append(settled)
        when = "now" if settled.get("hub", {}).get("running") else "with the next run"
        done = f"decided {name} anew" if settled.get("reopened") else f"settled {name}"
        screen.say(f"{done}; it travels {when}", style="green")
    screen.data(decided[0] if len(decided) == 1 else {"decided": decided})
    return Exit.OK


def _side(conflict: Report, name: str) -> str:
    """Who wrote what; a whole row is named by being there or not."""
    side = conflict.get(name) or {}
    value = value_text(side["value"]) if "value" in side else "(deleted)" if side.get("row") is None else "(row)"
    return f"{side.get('peer', '')} {value}".strip()


def _pairs(words: list[str]) -> dict[str, str]:
    pairs = {}
    for word in words:
        field, equals, value = word.partition("=")
        if not equals or not field:
            raise UsageError("--set needs FIELD=VALUE", why=f"{word!r} has no '='", hint="write --set city=Bonn")
        pairs[field] = value
    return pairs
