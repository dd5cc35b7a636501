"""`syncline demo`: three offices on real data, with conflicts, a cut line and kill -9, and a count of what was lost."""

from pathlib import Path
from typing import Annotated

import typer

from syncline.cli.exits import Exit
from syncline.cli.options import Json
from syncline.cli.render import Screen
from syncline.demo.show import run_demo


def demo(
    seconds: Annotated[float, typer.Option("--seconds", min=1.0, max=86_400.0, help="How long the offices write.")] = 30.0,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Keep the files in this empty or new folder.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Play three offices on real data, live.

    Writers in processes of their own, conflicts, a cut line, kill -9; then all files are compared and losses counted.
    """
    screen = Screen(as_json)
    report = run_demo(seconds, as_json, keep)
    screen.data(report)
    screen.table(
        ("what happened", ""), [(name.replace("_", " "), _told(value)) for name, value in report.items() if _tells(value)]
    )
    good = bool(report.get("converged")) and report.get("lost") == 0
    screen.say("converged, and nothing was lost" if good else "NOT converged, or writes were lost", "green" if good else "red")
    return Exit.OK if good else Exit.DIFFERENT


def _tells(value: object) -> bool:
    """Whether there is something to say: not for details of nothing, nor for a folder that is gone."""
    return value is not None and value not in ([], {})


def _told(value: object) -> object:
    """Counts by name as words."""
    return ", ".join(f"{name} {count:,}" for name, count in sorted(value.items())) if isinstance(value, dict) else value
