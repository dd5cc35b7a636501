"""`syncline demo`: three offices on real data, with conflicts, a cut line and kill -9, and a count of what was lost."""

from pathlib import Path
from typing import Annotated

import typer

from syncline.cli.exits import Exit
from syncline.cli.options import Json
from syncline.cli.render import Screen
from syncline.demo.servers.open import KINDS
from syncline.demo.show import run_demo
from syncline.demo.stage import MOVED
from syncline.model.errors import UsageError


def demo(
    seconds: Annotated[float, typer.Option("--seconds", min=1.0, max=86_400.0, help="How long the offices write.")] = 30.0,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Keep the files in this empty or new folder.")
    ] = None,
    servers: Annotated[
        str | None, typer.Option("--with", metavar="KINDS", help="Offices on private servers: postgres, mariadb, or both.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Play three offices on real data, live.

    Writers in processes of their own, conflicts, a cut line, kill -9; then all offices are compared and losses counted.
    """
    screen = Screen(as_json)
    report = run_demo(seconds, as_json, keep, kinds_of(servers or ""))
    screen.data(report)
    screen.table(
        ("what happened", ""), [(name.replace("_", " "), _told(value)) for name, value in report.items() if _tells(value)]
    )
    good = bool(report.get("converged")) and report.get("lost") == 0
    screen.say("converged, and nothing was lost" if good else "NOT converged, or writes were lost", "green" if good else "red")
    return Exit.OK if good else Exit.DIFFERENT


def kinds_of(text: str) -> tuple[str, ...]:
    """The kinds of servers in a list with commas, one for each office that moves. Raises UsageError."""
    found = tuple(word.strip().lower() for word in text.split(",") if word.strip())
    strange = [word for word in found if word not in KINDS]
    if strange:
        raise UsageError(f"the demo has no server {strange[0]!r}", hint=f"name one or more of: {', '.join(KINDS)}")
    if len(found) > len(MOVED):
        raise UsageError(f"{len(found)} servers for {len(MOVED)} offices", hint="name a kind once for each office that moves")
    return found


def _tells(value: object) -> bool:
    """Whether there is something to say: not for details of nothing, nor for a folder that is gone."""
    return value is not None and value not in ([], {})


def _told(value: object) -> object:
    """Counts and kinds by name as words."""
    if not isinstance(value, dict):
        return value
    return ", ".join(f"{name} {told:,}" if isinstance(told, int) else f"{name} {told}" for name, told in sorted(value.items()))
