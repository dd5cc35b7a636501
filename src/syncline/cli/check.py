"""`syncline check`: the doctor. Every precondition that is not met, with the statement that fixes it."""

import asyncio
from typing import Annotated

import typer

from syncline.cli import facade
from syncline.cli.advice import tell
from syncline.cli.exits import Exit, exit_of
from syncline.cli.options import Config, ConfigOption, Json, config_path
from syncline.cli.prepare import space_of
from syncline.cli.render import Screen
from syncline.model.errors import Advice, Problem
from syncline.model.words import counted


def check(
    config: Config = None,
    everything: Annotated[bool, typer.Option("--all", help="Tell each piece of advice by itself.")] = False,
    option: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Tell every unmet precondition, and its fix; and which columns cannot hold some of the others' values.

    Looks at configuration, peers and log; changes nothing.
    """
    screen = Screen(as_json)
    space = space_of(config_path(config, option))
    found = asyncio.run(facade.hub_for(space).check())
    problems = [one for one in found if not isinstance(one, Advice)]
    advice = [one for one in found if isinstance(one, Advice)]
    for problem in found:
        if isinstance(problem, Problem):
            problem.file = problem.file or (space.path if problem.line else "")
    for problem in problems:
        screen.say(problem.text(), style="yellow")
    tell(screen, [one.as_json() for one in advice], space.path, everything=everything)
    screen.data(
        {"ok": not problems, "problems": [one.as_json() for one in problems], "advice": [one.as_json() for one in advice]}
    )
    if not problems:
        screen.say(
            f"{space.path} is ready: {counted(len(space.peers), 'peer')}, {counted(len(space.collections), 'collection')}",
            style="green",
        )
        return Exit.OK
    screen.say(counted(len(problems), "problem"))
    return exit_of(*problems)
