"""Exit codes, and the one place where an error becomes a message and a code. Never a traceback, never a secret."""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

import typer
from typer.core import TyperGroup

from syncline.cli.render import Screen
from syncline.model.errors import (
    CodecError,
    ConfigError,
    GuardTripped,
    LogError,
    MergeError,
    MissingTable,
    NoKey,
    NotInstalled,
    PeerError,
    Problem,
    SynclineError,
    TablesDiffer,
    UsageError,
)

# What is to be put right at the peers' tables; every other problem is one of the configuration's text.
AT_PEERS = (Problem, NoKey, TablesDiffer, MissingTable)
_BUG_HINT = "report it, with the output of the same command under SYNCLINE_DEBUG=1"


class Exit(IntEnum):
    """What a verb tells the shell."""

    OK = 0
    DIFFERENT = 1  # differences, not converged, unmet preconditions, or a person must decide
    USAGE = 2  # bad configuration or usage
    UNUSABLE = 3  # a peer or the log cannot be used
    BUG = 70
    INTERRUPTED = 130


_UNUSABLE = {kind.code[:5] for kind in (PeerError, LogError, CodecError, NotInstalled)}
# A bug first; then what keeps everything from being looked at: the text before the peers, the peers before their tables.
_GRAVEST = (Exit.BUG, Exit.USAGE, Exit.UNUSABLE, Exit.DIFFERENT)


class Bug(SynclineError):
    """Something that no error of the tree describes."""

    code = "SYN-000"


def exit_of(*errors: SynclineError) -> Exit:
    """The exit code of what went wrong: it follows from the cause, whichever verb met it. Of several, the gravest's."""
    found = {code for error in errors for code in _exits(error)}
    return next((code for code in _GRAVEST if code in found), Exit.OK)


def _exits(error: SynclineError) -> list[Exit]:
    """The codes of an error: of a configuration with listed problems, theirs."""
    if isinstance(error, ConfigError) and error.problems:
        return [_exit(problem) for problem in error.problems]
    return [_exit(error)]


def _exit(error: SynclineError) -> Exit:
    if type(error) in AT_PEERS:
        return Exit.DIFFERENT
    if error.code[:5] in _UNUSABLE:  # also where a running hub only told of it
        return Exit.UNUSABLE
    match error:
        case Bug():
            return Exit.BUG
        case UsageError() if error.code == GuardTripped.code:
            return Exit.DIFFERENT
        case ConfigError() | Problem() | UsageError() | MergeError():
            return Exit.USAGE
        case _:
            return Exit.DIFFERENT


def leaves(error: BaseException) -> list[BaseException]:
    """The errors inside a group of errors, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]


def guarded(call: Callable[[], object], screen: Screen) -> int:
    """Run a verb; its exit code. Every error is shown on the screen."""
    try:
        result = call()
    except typer.TyperException as error:
        what, _, near = error.format_message().rstrip(".").partition(". Did you mean ")
        hint = f"did you mean {near}" if near else "see syncline --help, or syncline VERB --help"
        return _tell(screen, UsageError(what, hint=hint))
    except (KeyboardInterrupt, typer.Abort):
        return Exit.INTERRUPTED
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (the reader went away: nothing more to say)
        return Exit.OK
    except Exception as error:
        return _tell(screen, *_known(error, screen))
    return int(result) if isinstance(result, int) else Exit.OK


def _known(error: Exception, screen: Screen) -> list[SynclineError]:
    """The errors as the tree knows them, the gravest first."""
    if os.environ.get("SYNCLINE_DEBUG") == "1":
        screen.warn("".join(traceback.format_exception(error)).rstrip())
    known = [
        leaf if isinstance(leaf, SynclineError) else Bug(f"{type(leaf).__name__}: {leaf}", why="this is a bug", hint=_BUG_HINT)
        for leaf in leaves(error)
    ]
    return sorted(known, key=lambda leaf: (not isinstance(leaf, Bug), leaf.transient))


def _tell(screen: Screen, error: SynclineError, *others: SynclineError) -> int:
    problems = [problem for one in (error, *others) if isinstance(one, ConfigError) for problem in one.problems]
    listed = [*problems, *others]
    if screen.as_json:
        screen.data({"error": error.as_json(), "problems": [problem.as_json() for problem in listed]})
    for problem in listed:
        screen.warn(problem.text(), style="yellow" if isinstance(problem, Problem) else "red")
    screen.warn(error.text(), style="red")
    return exit_of(error, *others)


class Gate(TyperGroup):
    """The top of the command tree: whatever happens below ends here, as a message and an exit code.

    `conflicts` and `parked` without an action mean `list`, `proof` means `write`.
    """

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> int:
        """As typer calls it; leaves the process with the exit code unless `standalone_mode` is off."""
        words = with_action(list(sys.argv[1:] if args is None else args))
        screen = Screen("--json" in words)

        def call() -> object:
            return super(Gate, self).main(words, prog_name or "syncline", complete_var, False, windows_expand_args, **extra)

        code = guarded(call, screen)
        if standalone_mode:
            sys.exit(code)
        return code


def with_action(words: list[str]) -> list[str]:
    """The command line with the usual action put in where a verb with actions got none."""
    actions = {"conflicts": ("list", "show", "resolve"), "parked": ("list", "retry", "skip"), "proof": ("write", "check")}
    if not words or words[0] not in actions:
        return words
    if len(words) > 1 and (words[1] in actions[words[0]] or words[1] == "--help"):
        return words
    return [words[0], actions[words[0]][0], *words[1:]]
