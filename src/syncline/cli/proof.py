"""`syncline proof`: a signed report of what the log says was proven, and a check of one."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from syncline.cli import facade
from syncline.cli.exits import Exit, exit_of
from syncline.cli.facade import Report
from syncline.cli.options import Config, ConfigOption, Json, config_path
from syncline.cli.prepare import space_of
from syncline.cli.render import Screen
from syncline.config.load import load
from syncline.hub.proof_report import Order, check_files
from syncline.model.errors import ConfigError, SynclineError, UsageError
from syncline.model.words import counted

app = typer.Typer(help="A signed report of what was proven, and checking one.", no_args_is_help=True)
STYLES = {"in sync": "green", "behind": "yellow", "not known": "yellow", "differs": "red", "unproven": "yellow"}


@app.command("write")
def write(
    config: Config = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The signed JSON; it must not be there.")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="The same as a page, too.")] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="An Ed25519 key in PEM; else one is made.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compare all peers first.")] = False,
    collection: Annotated[list[str] | None, typer.Option("--collection", metavar="NAME", help="With --fresh: these.")] = None,
    option: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Write a signed report of what the log says was proven.

    Exits 0 where all copies are known now and proven equal through the last change; 1 where the report is written and something
    is not proven equal. Any other code: no report was written, or not all that was asked for.
    """
    screen = Screen(as_json)
    if out is None:
        raise UsageError("the report needs a file", hint="name one: --out FILE.json")
    if collection and not fresh:
        raise UsageError("--collection says what is compared, and nothing is", hint="give --fresh too")
    order = Order(str(out), _text(html), _text(key), fresh, tuple(collection or ()))
    path = config_path(config, option)
    hub = facade.hub_for(space_of(path) if fresh else load(path, absent_ok=True))
    try:
        told = asyncio.run(hub.proof(order))
    except SynclineError as error:
        if exit_of(error) is not Exit.DIFFERENT:
            raise
        problems = error.problems if isinstance(error, ConfigError) else []
        why = "; ".join(one.text() for one in problems) or error.text()
        raise UsageError("no report was written", why=why, hint="put that right: 'syncline check' tells how") from error
    screen.data(told)
    _show(screen, told)
    compared = told["report"]["fresh"]
    return Exit.OK if told["standing"] == "in sync" and (compared is None or compared["equal"]) else Exit.DIFFERENT


@app.command("check")
def check(
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE...", help="Reports.")] = None,
    public_key: Annotated[
        str | None, typer.Option("--public-key", metavar="KEY", help="The key as you know it: base64, or a file.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Check the signature of reports, and say what they claim.

    Of several with one key, also that none between them is missing. Exits 1 if a report cannot be relied on.
    """
    screen = Screen(as_json)
    if not files:
        raise UsageError("no report is named", hint="write: syncline proof check FILE.json")
    found = check_files(files, public_key)
    screen.data({"valid": True, "reports": found})
    for one in found:
        _show_checked(screen, one)
    return Exit.OK


def _text(path: Path | None) -> str | None:
    return str(path) if path is not None else None


def _show(screen: Screen, told: Report) -> None:
    _show_claim(screen, told)
    screen.say(f"written to {told['file']}{' and ' + told['html'] if told['html'] else ''}, sha256 {told['sha256']}")
    if told["key_made"]:
        screen.say(f"a new key was made: {told['key_made']}. Keep it to yourself, or name another with --key", style="yellow")
    screen.say(f"signed with key {told['key_id']}; give whoever checks the public key: {told['public_key']}")


def _show_checked(screen: Screen, one: Report) -> None:
    known = "the key is the one you gave" if one["key_known"] else "nobody said whose key that is: --public-key"
    screen.say(f"{one['file']}: signature fits; key {one['key_id']}: {known}", style="green" if one["key_known"] else "yellow")
    made, chain = one["report"]["made"], one["report"]["chain"]
    screen.say(f"{one['report']['space']}, {made['at']}, Syncline {made['version']}, report {chain['number']} of its key")
    _show_claim(screen, one)


def _show_claim(screen: Screen, one: Report) -> None:
    screen.say(one["words"], style=STYLES.get(one["standing"], ""))
    _show_fresh(screen, one["report"]["fresh"])
    for name, part in one["report"]["collections"].items():
        for peer, held in part["copies"].items():
            when = f"; compared {_time(held['compared_at'])}" if held["compared_at"] and held["standing"] != "not known" else ""
            screen.say(f"  {name} at {peer}: {held['words']}{when}{': ' + held['why'] if held['why'] else ''}")
        screen.say(f"  {name}: {_full(part)}")


def _show_fresh(screen: Screen, compared: Report | None) -> None:
    """What the comparison for this report was of, and of what not."""
    if compared is None:
        return
    found = "equal" if compared["equal"] else "not all proven equal"
    rows, of = counted(compared["rows"], "row"), ", ".join(compared["collections"])
    screen.say(f"compared for this report: {rows} of {of}: {found}", style="green" if compared["equal"] else "yellow")
    for name, why in compared["not_compared"].items():
        screen.say(f"{name} was not compared: {why}", style="yellow")


def _full(part: Report) -> str:
    """When every row was last compared, and how far that has come if it is under way."""
    full, begun = part["full"], part["under_way"]
    rows = f" ({counted(full['rows'], 'row')}, {full['result']})" if full else ""
    told = f"last full comparison {_time(full['at'])}{rows} of {', '.join(full['peers'])}" if full else "never compared in full"
    return told + (f"; one is under way: {counted(begun['rows'], 'row')} so far" if begun else "")


def _time(moment: str) -> str:
    """A moment of a report for people, to the second."""
    return f"{moment[:19].replace('T', ' ')} UTC" if moment.endswith("Z") else moment
