"""Names for peers that have none yet: after their files and databases, told apart by what differs in their addresses."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote

from syncline.config.address import file_of

_NOT_A_NAME: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_NAME_CHARS: Final = 60


def as_name(text: str, otherwise: str) -> str:
    """A name that the configuration accepts."""
    return _NOT_A_NAME.sub("-", text).strip("-._")[:_NAME_CHARS] or otherwise


def peer_names(urls: Sequence[str]) -> dict[str, str]:
    """A name for each absolute address, and no name twice.

    Servers' databases of one name get the host's beside it, or where that is the same the port, or the kind of server.
    """
    stems = [_stem(url) for url in urls]
    named: dict[str, str] = {}
    for stem, url in zip(stems, urls, strict=True):
        apart = _apart(url, [other for name, other in zip(stems, urls, strict=True) if name == stem])
        named[_unused(as_name(f"{stem}-{apart}" if apart else stem, "peer"), named)] = url
    return named


def _stem(url: str) -> str:
    file = file_of(url)
    return as_name(file.stem if file is not None else PurePosixPath(_where(url)[2]).name, "peer")


def _apart(url: str, twins: Sequence[str]) -> str:
    """What tells servers of one database's name apart, as this address has it; '' for files and where nothing does."""
    servers = [one for one in twins if file_of(one) is None]
    if url not in servers or len(servers) < 2:
        return ""
    for part in (_host, _port, _scheme):
        found = [part(one) for one in servers]
        if len(set(found)) == len(found):
            return part(url)
    return f"{_host(url)}-{_port(url)}"


def _where(url: str) -> tuple[str, str, str]:
    """Host, port and path of a server's address; never anything of who logs in. Raises nothing, whatever the text is."""
    authority, _, path = url.partition("://")[2].partition("?")[0].rpartition("@")[2].partition("/")
    host, _, port = authority.partition(":")
    return host, port, unquote(path)


def _host(url: str) -> str:
    return _where(url)[0]


def _port(url: str) -> str:
    return _where(url)[1]


def _scheme(url: str) -> str:
    return url.partition(":")[0]


def _unused(name: str, taken: dict[str, str]) -> str:
    if name not in taken:
        return name
    return next(found for number in range(2, len(taken) + 3) if (found := f"{name}-{number}") not in taken)
