"""`syncline archive`: the log as Parquet files that other programs read, and whether they are still what was written."""

import asyncio
from typing import Annotated

import typer

from syncline.cli import facade
from syncline.cli.exits import Exit
from syncline.cli.facade import Report
from syncline.cli.options import ConfigOption, InCollection, Json, exactly, with_config
from syncline.cli.render import Screen
from syncline.config.load import load
from syncline.hub.archiving import verify
from syncline.model.errors import UsageError
from syncline.model.words import counted


def archive(
    words: Annotated[list[str] | None, typer.Argument(metavar="[CONFIG] DIR", help="The archive's folder.")] = None,
    since: Annotated[
        int | None, typer.Option("--from", metavar="OFFSET", min=0, help="Where a new archive begins.  [default: the oldest]")
    ] = None,
    collection: InCollection = None,
    check: Annotated[bool, typer.Option("--verify", help="Write nothing; compare the files with the manifest.")] = False,
    config: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Write the log's changes into Parquet files, from where the last time ended.

    With --verify: exit 1 if a file is missing, changed or unknown.
    """
    screen = Screen(as_json)
    path, rest = with_config(words or [], config)
    (folder,) = exactly("archive", rest, "DIR")
    space = load(path, absent_ok=True)
    if check:
        if since is not None or collection is not None:
            raise UsageError("--verify looks at all files", hint="leave --from and --collection out")
        report = verify(folder, space)
        screen.data(report)
        _show_verified(screen, report)
        return Exit.OK if report["sound"] else Exit.DIFFERENT
    report = asyncio.run(facade.hub_for(space).archive(folder, since, collection))
    screen.data(report)
    _show(screen, report)
    return Exit.OK


def _show(screen: Screen, report: Report) -> None:
    collections = report.get("collections", {})
    if not collections:
        screen.say("the log knows no columns yet: there is nothing to archive")
        return
    shown = [
        {"collection": name, "after": one["after"], "up to": one["upto"], "new files": len(one["files"])}
        for name, one in collections.items()
    ]
    screen.records(shown)
    screen.say(f"{counted(report.get('rows', 0), 'change')} written to {report['archive']}", style="green")


def _show_verified(screen: Screen, report: Report) -> None:
    if report["problems"]:
        screen.records(report["problems"], ("file", "problem"))
        screen.say(f"not sound: {counted(len(report['problems']), 'problem')} in {report['archive']}", style="red")
        return
    files = counted(report["files"], "file")
    screen.say(f"sound: {files} with {counted(report['rows'], 'change')} in {report['archive']}", style="green")
