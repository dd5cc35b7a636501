"""`syncline parked list|retry|skip`: rows that one peer refused, with the reason; their keys wait, the rest flows."""

import asyncio
from typing import Annotated

import typer

from syncline.cli import facade
from syncline.cli.exits import Exit
from syncline.cli.facade import Report
from syncline.cli.options import After, Config, ConfigOption, InCollection, Json, Limit, config_path, exactly, with_config
from syncline.cli.render import Screen, moment
from syncline.config.load import load
from syncline.model.errors import UsageError
from syncline.model.words import counted

ORDER = ("id", "peer", "collection", "key", "code", "attempts", "retrying", "skipped", "time", "reason")
IdWords = Annotated[list[str], typer.Argument(metavar="[CONFIG] ID", help="The parked row, as `parked list` names it.")]

IdsWords = Annotated[list[str] | None, typer.Argument(metavar="[CONFIG] ID...", help="As `parked list` names them.")]

app = typer.Typer(no_args_is_help=True, help="List parked rows, try them again, or give them up.")


@app.command("list")
def listing(
    config: Config = None,
    collection: InCollection = None,
    limit: Limit = 100,
    after: After = None,
    option: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """List the rows that a peer refused, and why."""
    screen = Screen(as_json)
    found = asyncio.run(facade.hub_for(load(config_path(config, option), absent_ok=True)).parked(collection, limit, after))
    screen.data({"parked": found})
    if not found:
        screen.say("nothing is parked")
        return Exit.OK
    screen.records([_shown(one) for one in found], ORDER, only=True)
    if len(found) == limit:
        screen.say(f"more with --after {found[-1].get('id')}")
    screen.say(
        "next: put right what the reason says, then syncline parked retry ID, or --all; or give a row up: syncline parked skip "
        "ID; a running hub tries each again by itself: after 30 seconds, then ever less often, at last every hour"
    )
    return Exit.OK


@app.command()
def retry(
    words: IdsWords = None,
    everything: Annotated[bool, typer.Option("--all", help="All parked rows, but for those that were given up.")] = False,
    config: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Try parked rows again, with their then current values.

    By itself a running hub tries each again too: 30 seconds after it was parked, then ever less often, at last every hour.
    """
    screen = Screen(as_json)
    path, rest = with_config(words or [], config)
    if everything and rest:
        raise UsageError("--all is for no ID", why=f"{len(rest)} given", hint="give IDs, or --all")
    names = [] if everything else rest if len(rest) > 1 else exactly("parked retry", rest, "ID")
    report = asyncio.run(facade.hub_for(load(path, absent_ok=True)).retry_parked(*names))
    screen.data(report)
    tried = names if len(names) == 1 else report.get("retried", [])
    whom = f"{names[0]} is" if len(names) == 1 else f"{counted(len(tried), 'row')} {'is' if len(tried) == 1 else 'are'}"
    when = "now" if report.get("hub", {}).get("running") else "with the next run"
    screen.say(f"{whom} tried again {when}; see: syncline parked", style="green")
    for name, why in report.get("not_retried", {}).items():
        screen.say(f"{name} is not tried again: {why}", style="yellow")
    return Exit.OK


@app.command()
def skip(words: IdWords, config: ConfigOption = None, as_json: Json = False) -> int:
    """Give a parked row up at its peer; the peer's own row stands."""
    screen = Screen(as_json)
    path, rest = with_config(words, config)
    (name,) = exactly("parked skip", rest, "ID")
    report = asyncio.run(facade.hub_for(load(path, absent_ok=True)).skip_parked(name))
    screen.data(report)
    screen.say(f"{name} is given up", style="green")
    return Exit.OK


def _shown(row: Report) -> Report:
    """A parked row as one of the table; what does not hold is not said."""
    return {**row, "time": moment(row.get("time")), **{name: row.get(name) or None for name in ("retrying", "skipped")}}
