"""A configuration file -> Space. The only reader of the file; creates nothing, asks no peer."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from syncline.config.address import Site, peer_address
from syncline.config.check import check
from syncline.config.read import decode, read
from syncline.config.secrets import one_line, show
from syncline.model import limits
from syncline.model.errors import ConfigError, Problem
from syncline.model.space import Space
from syncline.model.words import counted
from syncline.peers.registry import schemes


@dataclass(frozen=True, slots=True)
class Draft:
    """What a file says as far as it can be read, and everything that is wrong with it."""

    space: Space
    problems: tuple[Problem, ...]

    def refuse(self, more: Collection[Problem] = ()) -> None:
        """Raise ConfigError if there is any problem, here or among `more`."""
        refuse(self.space.path, (*self.problems, *more))


def refuse(path: str, problems: Collection[Problem]) -> None:
    """Raise ConfigError with all problems of a file, in the order of its lines; nothing if there are none."""
    if not problems:
        return
    ordered = sorted(problems, key=lambda problem: problem.line)
    for problem in ordered:
        _finish(problem, path)
    listed = tuple(ordered[: limits.CONFIG_PROBLEMS_MAX])
    rest = f", the first {len(listed)} are listed" if len(listed) < len(ordered) else ""
    raise ConfigError(f"{counted(len(ordered), 'problem')} in {path}{rest}", listed, why="nothing was changed")


def draft(path: str | Path, *, absent_ok: bool = False, environ: Mapping[str, str] | None = None) -> Draft:
    """Read a file as far as possible. Raises ConfigError only where there is no text to read."""
    data = _bytes(path)
    site = Site(Path(os.path.abspath(path)).parent, os.environ if environ is None else environ, schemes(), absent_ok)
    text = decode(data)
    empty = Space("", "", {}, {}, path=str(path))
    if isinstance(text, Problem):
        return Draft(empty, (text,))
    root, problems = read(text)
    if root is None:
        return Draft(empty, tuple(problems))
    space, found = check(root, site)
    return Draft(msgspec.structs.replace(space, path=str(path)), (*problems, *found))


def address_now(space: Space, peer: str) -> str:
    """A peer's address with its secret files read again; as it was, where they cannot be read now."""
    spec = space.peers[peer]
    if not spec.written:
        return spec.url
    site = Site(Path(os.path.abspath(space.path)).parent, os.environ, schemes())
    address, _ = peer_address(spec.written, site)
    return address.url if address is not None else spec.url


def load(path: str | Path, *, absent_ok: bool = False, environ: Mapping[str, str] | None = None) -> Space:
    """The space that a file describes. Raises ConfigError with every problem of the file.

    `absent_ok`: peers' files may be missing. `environ`: where ${env:NAME} is looked up, the process's own by default.
    """
    result = draft(path, absent_ok=absent_ok, environ=environ)
    result.refuse()
    return result.space


def _finish(problem: Problem, path: str) -> None:
    """Give a problem its file, and let no secret and no control character out with it."""
    problem.file = problem.file or path
    problem.what, problem.why, problem.hint = (one_line(text) for text in (problem.what, problem.why, problem.hint))
    problem.where = {name: one_line(str(value)) for name, value in problem.where.items()}
    problem.args = (problem.text(),)


def _bytes(path: str | Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(limits.CONFIG_BYTES_MAX + 1)
    except FileNotFoundError as error:
        hint = "name an existing file, or write one with: syncline init PATH..."
        raise ConfigError(f"there is no configuration {show(str(path))}", hint=hint) from error
    except IsADirectoryError as error:
        raise ConfigError(f"{show(str(path))} is a folder", hint="name the configuration file in it") from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "the path is not valid"
        hint = "make it readable for this user, or name another file"
        raise ConfigError(f"configuration {show(str(path))} cannot be read", why=why, hint=hint) from error
