"""`syncline replay`: give a peer again what the log has decided since an offset."""

import asyncio
from typing import Annotated

import typer

from syncline.cli import facade
from syncline.cli.exits import Exit
from syncline.cli.facade import Report
from syncline.cli.options import Config, ConfigOption, InCollection, Json, config_path
from syncline.cli.pause import peer_of
from syncline.cli.prepare import space_of
from syncline.cli.render import Screen
from syncline.model.errors import UsageError
from syncline.model.words import counted

ORDER = ("collection", "keys", "given", "equal", "parked")


def replay(
    config: Config = None,
    since: Annotated[
        int | None, typer.Option("--from", metavar="OFFSET", min=0, help="What changed after it is given again.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="PEER", help="Who gets it.")] = None,
    collection: InCollection = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be given, also with --yes.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it.")] = False,
    option: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Give a peer again what the log has decided since an offset.

    Without --yes it only says how many keys that are. A new copy of that offset takes the peer's place by it.
    """
    screen = Screen(as_json)
    if since is None or to is None:
        given = {"--from OFFSET": since, "--to PEER": to}
        missing = " and ".join(option for option, value in given.items() if value is None)
        raise UsageError(f"this verb needs {missing}", hint="write replay [CONFIG] --from OFFSET --to PEER")
    space = space_of(config_path(config, option))
    peer_of(space, [to])
    report = asyncio.run(facade.hub_for(space).replay(since, to, collection, yes and not dry_run))
    screen.data(report)
    _show(screen, report)
    return Exit.OK


def _show(screen: Screen, report: Report) -> None:
    peer, found = report["peer"], report.get("collections", {})
    screen.records([{"collection": name, **counts} for name, counts in found.items()], ORDER, only=True)
    keys = counted(sum(counts["keys"] for counts in found.values()), "key")
    if not report.get("done"):
        screen.say(f"{keys} changed after offset {report['from']}; give {peer} their rows again with --yes")
        return
    given = counted(sum(counts["given"] for counts in found.values()), "row")
    screen.say(f"{peer} was given {given} again, of {keys} that changed after offset {report['from']}", style="green")
    if any(counts["parked"] for counts in found.values()):
        screen.say("rows that it refused still wait. See: syncline parked", style="yellow")
    screen.say("next, to prove it: syncline verify")
