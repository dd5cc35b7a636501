"""The whole configuration: nodes -> Space, with every problem at once, each with its line. Asks no peer, creates nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from syncline.config.address import Address, Site, log_address, peer_address
from syncline.config.collection import CollectionReader
from syncline.config.read import Mapping, Node, Scalar
from syncline.config.secrets import show
from syncline.config.serving import serve_of
from syncline.config.values import (
    Problems,
    count_of,
    entries_of,
    found_type,
    is_nothing,
    known_of,
    label_of,
    listed,
    name_of,
    seconds_of,
    share_of,
    text_of,
    wrong,
)
from syncline.config.verifying import verify_of
from syncline.model import limits
from syncline.model.errors import BadName, MissingPart, Problem, SharedPlace
from syncline.model.space import CollectionSpec, PeerSpec, ServeSettings, Settings, Space, VerifySettings

KEYS: Final = ("space", "log", "peers", "collections", "settings", "verify", "serve")
SETTINGS: Final = Settings.__struct_fields__
PEERS_EXAMPLE: Final = "{hq: sqlite:///hq.db, van: sqlite:///van.db}"


@dataclass(slots=True)
class _Places:
    """The peers as read, and the files behind them."""

    specs: dict[str, PeerSpec]
    files: dict[str, Path]
    names: tuple[str, ...]  # also those with a bad address: using them is no second mistake


def check(root: Node, site: Site) -> tuple[Space, list[Problem]]:
    """The space as far as it can be read, and everything that is wrong, in the order of the text."""
    problems: Problems = []
    if not isinstance(root, Mapping):
        wrong(problems, root, "the configuration", "a mapping", "begin with: space: NAME")
        return Space("", "", {}, {}), problems
    parts = dict(known_of(problems, root, KEYS))
    name = _space_name(problems, root, parts.get("space"))
    places = _peers(problems, root, parts.get("peers"), site)
    space = Space(
        name=name,
        log=_log(problems, parts.get("log"), name, places, site),
        peers=places.specs,
        collections=_collections(problems, root, parts.get("collections"), places.names),
        settings=_settings(problems, parts["settings"]) if "settings" in parts else Settings(),
        verify=verify_of(problems, parts["verify"], places.names) if "verify" in parts else VerifySettings(),
        serve=serve_of(problems, parts["serve"], site) if "serve" in parts else ServeSettings(),
    )
    return space, sorted(problems, key=lambda problem: problem.line)


def _space_name(problems: Problems, root: Mapping, node: Node | None) -> str:
    if node is None:
        problems.append(MissingPart("the space has no name", hint="add a line: space: NAME", line=root.line))
        return ""
    if text_of(problems, node, "space") is None or not isinstance(node, Scalar):
        return ""
    return name_of(problems, node, "space") or ""


def _peers(problems: Problems, root: Mapping, node: Node | None, site: Site) -> _Places:
    entries = entries_of(problems, node, "peers", PEERS_EXAMPLE) if node is not None else ()
    places = _Places({}, {}, tuple(name.text for name, _ in entries))
    misread = node is not None and not isinstance(node, Mapping) and not is_nothing(node)
    if len(entries) < 2 and not misread:
        what = "a space needs at least two peers" if entries else "no peers are listed"
        line = node.line if node is not None and entries else root.line
        problems.append(MissingPart(what, hint=f"list them under peers: {PEERS_EXAMPLE}", line=line))
    if len(entries) > limits.PEERS_MAX:
        what = f"more than {limits.PEERS_MAX} peers"
        problems.append(MissingPart(what, hint="use several spaces", line=entries[limits.PEERS_MAX][0].line))
    for name, value in entries[: limits.PEERS_MAX]:
        address = _peer(problems, name, value, site)
        if address is None:
            continue
        _shared(problems, name, address, places)
        places.specs[name.text] = PeerSpec(name.text, address.url, name.line, address.written)
        if address.file is not None:
            places.files[name.text] = address.file
    return places


def _peer(problems: Problems, name: Scalar, value: Node, site: Site) -> Address | None:
    good = name_of(problems, name, "peer")
    text = text_of(problems, value, "a peer's address", peer=show(name.text) if good is None else name.text)
    if text is None:
        return None
    address, found = peer_address(text, site)
    _locate(problems, found, value.line, peer=name.text if good is not None else show(name.text))
    return address if good is not None else None


def _locate(problems: Problems, found: list[Problem], line: int, **where: str) -> None:
    """Give problems that were found in a value its line and place."""
    for problem in found:
        problem.line = line
        problem.where = {**where, **problem.where}
        problems.append(problem)


def _shared(problems: Problems, name: Scalar, address: Address, places: _Places) -> None:
    for other, spec in places.specs.items():
        file = places.files.get(other)
        same = address.url == spec.url if file is None or address.file is None else _same_file(file, address.file)
        if same:
            what = f"peers {other} and {name.text} are the same place"
            why = "a peer would be synchronised with itself"
            problems.append(SharedPlace(what, why=why, hint="remove one, or correct its address", line=name.line))


def _same_file(left: Path, right: Path) -> bool:
    try:
        return left.resolve() == right.resolve() or (left.exists() and right.exists() and left.samefile(right))
    except (OSError, RuntimeError):
        return left == right


def _log(problems: Problems, node: Node | None, name: str, places: _Places, site: Site) -> str:
    text = "sqlite" if node is None else text_of(problems, node, "log")
    if text is None:
        return ""
    address, found = log_address(text, site, f"{name or 'space'}.log.db")
    line = node.line if node is not None else 1
    _locate(problems, found, line)
    if address is None or address.file is None:
        return ""
    for peer, file in places.files.items():
        if _same_file(file, address.file):
            what = f"the log and peer {peer} are the same file"
            problems.append(SharedPlace(what, hint="give the log a file of its own", line=line))
    return address.url


def _collections(problems: Problems, root: Mapping, node: Node | None, peers: tuple[str, ...]) -> dict[str, CollectionSpec]:
    entries = entries_of(problems, node, "collections", "{customers: {key: [id]}}") if node is not None else ()
    if not entries and (node is None or isinstance(node, Mapping) or is_nothing(node)):
        what, hint = "no collections are listed", "list tables under collections, such as customers: {key: [id]}"
        problems.append(MissingPart(what, hint=hint, line=node.line if node is not None else root.line))
    if len(entries) > limits.COLLECTIONS_MAX:
        what = f"more than {limits.COLLECTIONS_MAX} collections"
        problems.append(MissingPart(what, hint="use several spaces", line=entries[limits.COLLECTIONS_MAX][0].line))
    specs: dict[str, CollectionSpec] = {}
    for name, value in entries[: limits.COLLECTIONS_MAX]:
        if found_type(name) == "nothing":
            what = "a collection has no name"
            problems.append(BadName(what, hint="write its table's name before the colon", line=name.line))
        elif label_of(problems, name, "collection") is not None:
            specs[name.text] = CollectionReader(name, peers, problems).read(value)
    _same_tables(problems, specs, peers)
    return specs


def _same_tables(problems: Problems, specs: dict[str, CollectionSpec], peers: tuple[str, ...]) -> None:
    taken: dict[tuple[str, str], str] = {}
    for spec in specs.values():
        for peer in peers:
            table = spec.at.get(peer, spec.name)
            other = taken.setdefault((peer, table), spec.name)
            if other != spec.name:
                what = f"collections {other} and {spec.name} are the same table {show(table)}"
                line = spec.lines.get(f"at.{peer}", spec.lines.get("", 0))
                hint = f"name another table under at, or remove one of: {listed((other, spec.name))}"
                problems.append(SharedPlace(what, hint=hint, line=line, peer=peer, collection=spec.name))


def _settings(problems: Problems, node: Node) -> Settings:
    if is_nothing(node):
        return Settings()
    if not isinstance(node, Mapping):
        wrong(problems, node, "settings", "a mapping", "write it like {retention_seconds: 30d}")
        return Settings()
    values: dict[str, float] = {}
    for name, value in known_of(problems, node, SETTINGS):
        reader = count_of if name.endswith("_rows") else share_of if name.endswith("_share") else seconds_of
        number = reader(problems, value, name)
        if number is not None:
            values[name] = number
    return msgspec.structs.replace(Settings(), **values)
