"""`syncline init`: look at the peers, propose a configuration, write it. Touches no peer."""

import asyncio
import os
import re
from collections.abc import Collection as Collected
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from syncline.cli.advice import tell
from syncline.cli.exits import Exit
from syncline.cli.naming import as_name, peer_names
from syncline.cli.options import DEFAULT_CONFIG, Json
from syncline.cli.render import Screen
from syncline.config.address import Site, peer_address, sqlite_url
from syncline.config.propose import Remarks, mapped, propose, to_make
from syncline.config.secrets import show
from syncline.config.write import write
from syncline.model.errors import ConfigError, PeerError, Problem, SharedPlace, UsageError
from syncline.model.schema import Collection, Table
from syncline.model.space import Direction, PeerSpec, Space
from syncline.model.words import counted
from syncline.peers.protocol import Peer
from syncline.peers.registry import open_peer, schemes

_CREATE = "?create=1"
_PASSWORD = re.compile(r"://[^/@:]*:(?!\$\{)[^@]+@")


def init(
    places: Annotated[list[str], typer.Argument(metavar="PATH-OR-URL...", help="The peers: SQLite files or addresses.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="CONFIG", help="The file to write.")] = DEFAULT_CONFIG,
    name: Annotated[
        str | None,
        typer.Option(
            "--space", metavar="NAME", help="A name for what is kept equal, and for its log.  [default: the folder's]"
        ),
    ] = None,
    receive: Annotated[
        list[str] | None, typer.Option("--receive", metavar="PEER", help="A peer that only receives; by the name that it gets.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
    as_json: Json = False,
) -> int:
    """Look at peers, and write a configuration for them.

    It proposes every table that all of them have, and touches none.
    """
    screen = Screen(as_json)
    if len(places) < 2:
        raise UsageError("a space needs at least two peers", hint="write init PATH-OR-URL PATH-OR-URL...")
    if out.exists() and not force:
        raise UsageError(
            f"{show(str(out))} is there already", hint="choose another name with --out, or overwrite it with --force"
        )
    folder = Path(os.path.abspath(out)).parent
    if not folder.is_dir():
        raise UsageError(f"there is no folder {show(str(folder))}", hint="create it, or choose another place with --out")
    peers, urls = _peers(places, folder)
    silent = _silent(receive or [], list(urls))
    space, remarks = propose(name or as_name(folder.name, "space"), peers, *asyncio.run(_look(urls, silent)))
    if not space.collections:
        what, hint = "the peers have no table in common that can be synchronised", "put the tables right, then init again"
        hint += "" if silent else "; a peer that is only to receive needs less: --receive PEER"
        raise ConfigError(what, tuple(remarks.problems), why="nothing was written", hint=hint)
    if silent:
        directions = dict.fromkeys(sorted(silent), Direction.RECEIVE)
        told = {key: replace(one, direction=directions) for key, one in space.collections.items()}
        space = replace(space, collections=told)
    _write(out, write(space, remarks), force)
    report = {"written": str(out), "space": space.name, "collections": list(space.collections), "left_out": remarks.left_out}
    screen.data(report | {"advice": [one.as_json() for one in remarks.advice]})
    _show(screen, out, space, remarks)
    return Exit.OK


def _peers(places: list[str], folder: Path) -> tuple[list[PeerSpec], dict[str, str]]:
    """The peers as they will be written, and their absolute addresses by name. Raises ConfigError."""
    site = Site(folder, os.environ, schemes())
    found: dict[str, str] = {}  # absolute address -> as it will be written
    problems: list[Problem] = []
    for place in places:
        written = place if "://" in place else _file_url(place, folder)
        address, wrong = peer_address(written, site)
        problems += wrong
        if address is None:
            continue
        if address.url in found:
            problems.append(SharedPlace(f"{show(place)} is named twice", hint="name each peer once"))
        found[address.url] = written
    if problems:
        raise ConfigError("these peers cannot be looked at", tuple(problems), why="nothing was written")
    names = peer_names(list(found))
    return [PeerSpec(name, found[url]) for name, url in names.items()], names


def _silent(asked: list[str], names: list[str]) -> frozenset[str]:
    """The peers that are only to receive. Raises UsageError."""
    for name in asked:
        if name not in names:
            raise UsageError(f"there is no peer {show(name)}", hint=f"peers are {', '.join(names)}")
    if set(asked) == set(names):
        raise UsageError("nothing can flow if every peer only receives", hint="let at least one of them send")
    return frozenset(asked)


def _file_url(place: str, folder: Path) -> str:
    """The address of a file; `?create=1` behind its path is the address's, unless a file is named so."""
    path = place.removesuffix(_CREATE)
    create = path != place and not os.path.exists(place)
    return sqlite_url(_relative(path if create else place, folder), create)


def _relative(place: str, folder: Path) -> str:
    """A path as the configuration in `folder` says it: relative if it was given so."""
    if os.path.isabs(place):
        return place
    there = os.path.join(
        os.path.realpath(os.path.dirname(place)), os.path.basename(place)
    )  # folders may be links: '..' must lead back
    return os.path.relpath(there, os.path.realpath(folder))


async def _look(urls: dict[str, str], silent: Collected[str]) -> tuple[dict[str, dict[str, Table]], dict[str, list[Problem]]]:
    """Each peer's tables; and by table what the peers have against synchronising it, in the words of `check`.

    The tables of a peer that is to be created are those that the first run makes there.
    """
    peers: list[Peer] = []
    tables: dict[str, dict[str, Table]] = {}
    empty: set[str] = set()
    refused: dict[str, list[Problem]] = {}
    failed: list[PeerError] = []
    try:
        for name, url in urls.items():
            try:
                peers.append(open_peer(name, url, captures=name not in silent))
                if (await peers[-1].connect()).empty:
                    empty.add(name)
                tables[name] = await peers[-1].inspect()
            except PeerError as error:
                failed.append(error)
        if failed:
            raise failed[0] if len(failed) == 1 else ExceptionGroup("these peers cannot be looked at", failed)
        kinds = {peer.name: peer.features.kind for peer in peers}
        for name in empty:
            tables[name] = to_make(tables[one] for one in tables if one not in empty and kinds[one] == kinds[name])
        for table, found in mapped(tables).items():
            if isinstance(found, Collection):
                refused[table] = [problem for peer in peers for problem in await peer.check([found])]
    finally:
        for peer in peers:
            await peer.close()
    return tables, refused


def _private(path: str, flags: int) -> int:
    """Addresses may have passwords in them."""
    return os.open(path, flags, 0o600)


def _write(out: Path, text: str, force: bool) -> None:
    try:
        with open(out, "w" if force else "x", encoding="utf-8", opener=_private) as file:
            file.write(text)
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(f"{show(str(out))} cannot be written", why=why, hint="choose another place with --out") from error


def _show(screen: Screen, out: Path, space: Space, remarks: Remarks) -> None:
    screen.say(
        f"wrote {out}: {counted(len(space.peers), 'peer')}, {counted(len(space.collections), 'collection')}", style="green"
    )
    for table, reason in remarks.left_out.items():
        screen.say(f"left out {table}: {reason}", style="yellow")
    tell(screen, [one.as_json() for one in remarks.advice], str(out))
    if any(_PASSWORD.search(peer.url) for peer in space.peers.values()):
        screen.say(
            "it has passwords in it, and only you can read it; ${env:NAME} or ${file:PATH} instead keeps them out",
            style="yellow",
        )
    screen.say(f"next: read it, then syncline check {out}")
