"""Addresses of peers and of the log: text -> absolute URL or path. Knows URL forms and looks whether files are there.

A relative path is relative to the configuration's folder. Percent escapes in a path are read, as in any URL.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

from syncline.config.secrets import refers_to_file, remember_url, resolve, scrub, show
from syncline.config.values import near
from syncline.model.errors import BadUrl, MissingFile, NotAvailable, Problem

SQLITE: Final = "sqlite"
PLANNED_PEERS: Final = frozenset({"duckdb", "file", "http", "https", "redis"})
PLANNED_LOGS: Final = frozenset({"nats", "kafka"})
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_OPTIONS: Final = ("create",)
_TRUE: Final = {"1": True, "0": False}


@dataclass(frozen=True, slots=True)
class Site:
    """What addresses are read against: the configuration's folder, the environment, the installed kinds of peers.

    `absent_ok`: a peer's file may be missing (a stopped peer must not keep the others from being looked at).
    """

    folder: Path
    environ: Mapping[str, str]
    schemes: Collection[str]
    absent_ok: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """An absolute URL, and the file behind it where there is one. `written`: its text, where that refers to a secret file."""

    url: str
    file: Path | None = None
    written: str = ""


def peer_address(text: str, site: Site) -> tuple[Address | None, list[Problem]]:
    """Read a peer's address. Problems carry no line: the caller knows it."""
    remember_url(text)
    url, problems = resolve(text, site.folder, site.environ)
    if problems:
        return None, problems
    remember_url(url)
    match = _URL.fullmatch(url.strip())
    if match is None:
        why = f"{show(url)} has no scheme"
        hint = f"for a file write sqlite:///{url}" if _looks_like_file(url) else "write KIND://..., such as sqlite:///office.db"
        return None, [BadUrl("not an address", why=why, hint=scrub(hint))]
    scheme = match[1].lower()
    if scheme not in site.schemes:
        return None, [_unknown_scheme(scheme, site.schemes, PLANNED_PEERS, "kind of peer")]
    if scheme != SQLITE:
        return Address(url.strip(), written=text if refers_to_file(text) else ""), []
    return _sqlite(match[2], site)


def log_address(text: str, site: Site, default: str) -> tuple[Address | None, list[Problem]]:
    """Read where the log is: `sqlite` for the default file, a path, or a sqlite URL."""
    remember_url(text)
    url, problems = resolve(text, site.folder, site.environ)
    if problems:
        return None, problems
    remember_url(url)
    if url == SQLITE:
        return _log_file(site.folder / default)
    match = _URL.fullmatch(url.strip())
    if match is None:
        return _log_file(site.folder / url)
    scheme = match[1].lower()
    if scheme != SQLITE:
        return None, [_unknown_scheme(scheme, (SQLITE,), PLANNED_LOGS, "kind of log")]
    if not match[2].startswith("/") or "?" in match[2] or len(match[2]) < 2:
        return None, [BadUrl("not the address of a log", hint="write sqlite:///space.log.db, or the path alone")]
    return _log_file(site.folder / unquote(match[2][1:]))


def sqlite_url(path: str, create: bool = False) -> str:
    """The URL of an SQLite file: an absolute path gets four slashes, a relative one three."""
    return f"{SQLITE}:///{quote(path, safe='/ ()+,=@~')}{'?create=1' if create else ''}"


def file_of(url: str) -> Path | None:
    """The file behind an absolute address, None for what is no file."""
    prefix = f"{SQLITE}:///"
    return Path(unquote(url.removeprefix(prefix).partition("?")[0])) if url.startswith(prefix) else None


def _looks_like_file(text: str) -> bool:
    return bool(text) and "://" not in text and "@" not in text and text.endswith((".db", ".sqlite", ".sqlite3"))


def _unknown_scheme(scheme: str, known: Collection[str], planned: Collection[str], noun: str) -> Problem:
    installed = ", ".join(sorted(known))
    if scheme in planned:
        return NotAvailable(f"{noun} {show(scheme)} is not available yet", hint=f"use one of: {installed}")
    hint = near(scheme, known) or f"use one of: {installed}"
    return BadUrl(f"unknown {noun} {show(scheme)}", hint=hint)


def _sqlite(rest: str, site: Site) -> tuple[Address | None, list[Problem]]:
    place, _, query = rest.partition("?")
    if not place.startswith("/"):
        hint = f"write three slashes: sqlite:///{place}" if place else "write sqlite:///office.db"
        return None, [BadUrl("an SQLite address has no host", hint=scrub(hint))]
    path = unquote(place[1:])
    if not path or path == ":memory:" or "\0" in path or "#" in place:
        why = "it is empty, in memory, or has a '#' (write %23)"
        return None, [BadUrl("this SQLite address names no file", why=why, hint="write sqlite:///office.db")]
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name, value in options.items():
        if name not in _OPTIONS or value not in _TRUE:
            hint = near(name, _OPTIONS) if name not in _OPTIONS else ""
            return None, [BadUrl(f"option {show(name)} of an SQLite address cannot be read", hint=hint or "use create=1")]
    create = _TRUE[options.get("create", "0")]
    file = site.folder / path
    address = Address(sqlite_url(str(file), create), file)
    problem = None if site.absent_ok else _missing(file, create)
    return address, [problem] if problem else []


def _missing(file: Path, create: bool) -> Problem | None:
    try:
        if file.is_dir():
            return BadUrl(f"{show(str(file))} is a folder", hint="name the file in it")
        if file.exists() or (create and file.parent.is_dir()):
            return None
    except PermissionError:  # no right to look: the peer itself will say so, with its own code
        return None
    except OSError as error:
        return BadUrl(f"{show(str(file))} cannot be a file", why=error.strerror or "", hint="correct the path")
    if create:
        return MissingFile(f"there is no folder {show(str(file.parent))}", hint=f"create it: mkdir -p {file.parent}")
    return MissingFile(
        f"there is no file {show(str(file))}", hint="correct the path, or add ?create=1 to begin with an empty file"
    )


def _log_file(file: Path) -> tuple[Address | None, list[Problem]]:
    try:
        if file.is_dir():
            return None, [BadUrl(f"the log {show(str(file))} is a folder", hint="name a file in it")]
        if not file.parent.is_dir():
            return None, [
                MissingFile(f"there is no folder {show(str(file.parent))}", hint=f"create it: mkdir -p {file.parent}")
            ]
    except (OSError, ValueError):
        return None, [BadUrl(f"the log {show(str(file))} cannot be a file", hint="write a path such as crm.log.db")]
    return Address(str(file), file), []
