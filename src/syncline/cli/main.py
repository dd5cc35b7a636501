"""The command line: the verbs, each from its own file, under one gate for errors. Holds no logic."""

from typing import Annotated

import typer

from syncline import __version__
from syncline.cli import (
    archive,
    at,
    check,
    conflicts,
    demo,
    drift,
    history,
    init,
    parked,
    pause,
    plan,
    proof,
    rename,
    repair,
    replay,
    resume,
    serve,
    status,
    teardown,
    verify,
)
from syncline.cli import run as run_verb
from syncline.cli.exits import Exit, Gate
from syncline.cli.render import plain_output

app = typer.Typer(
    cls=Gate,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Keep the same records equal in many places, settle conflicts by readable rules, and prove it.

    Exit codes: 0 fine; 1 differences, not converged or a precondition not met; 2 bad configuration or usage; 3 a peer or the
    log cannot be used; 70 a bug; 130 interrupted.
    """
    if version:
        typer.echo(f"syncline {__version__}")
        raise typer.Exit(Exit.OK)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(Exit.USAGE)


app.command()(demo.demo)
app.command()(init.init)
app.command()(check.check)
app.command()(plan.plan)
app.command()(run_verb.run)
app.command()(serve.serve)
app.command()(status.status)
app.add_typer(conflicts.app, name="conflicts")
app.add_typer(parked.app, name="parked")
app.command()(verify.verify)
app.command()(repair.repair)
app.command()(drift.drift)
app.add_typer(proof.app, name="proof")
app.command()(history.history)
app.command()(at.at)
app.command()(replay.replay)
app.command()(archive.archive)
app.command()(pause.pause)
app.command()(resume.resume)
app.command()(rename.rename)
app.command()(teardown.teardown)


def run() -> None:
    """The `syncline` command."""
    plain_output()
    app()
