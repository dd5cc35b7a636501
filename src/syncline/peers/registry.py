"""Finds the kind of a peer by its URL's scheme: installed entry points of group `syncline.peers`, then the built-in kinds.

Knows no kind but by name; a kind's code is loaded when the first of its peers is opened.
"""

from importlib.metadata import EntryPoint, entry_points
from typing import Final, Protocol, cast

from syncline.model import limits
from syncline.model.errors import PeerUnsafe
from syncline.peers.protocol import Peer

GROUP: Final = "syncline.peers"
_KINDS: Final = {  # scheme -> folder, which is also the name of the extra that installs its driver
    "sqlite": "sqlite", "postgresql": "postgres", "postgres": "postgres", "mysql": "mysql", "mariadb": "mysql",
}  # fmt: skip
BUILT_IN: Final = {scheme: EntryPoint(scheme, f"syncline.peers.{folder}:open_peer", GROUP) for scheme, folder in _KINDS.items()}


class OpenPeer(Protocol):
    """What an entry point of the group leads to. Touches nothing yet; raises PeerUnsafe for a URL that cannot be read.

    `captures`: what users change there is captured; else it only receives, and needs no log of its own.
    """

    def __call__(self, name: str, url: str, *, poll_seconds: float, captures: bool) -> Peer: ...


def kinds() -> dict[str, EntryPoint]:
    """Every kind of peer by URL scheme: the built-in ones, and what is installed beside them."""
    return BUILT_IN | {point.name: point for point in entry_points(group=GROUP)}


def schemes() -> frozenset[str]:
    """The URL schemes that can be opened."""
    return frozenset(kinds())


def open_peer(name: str, url: str, *, poll_seconds: float = limits.POLL_SECONDS, captures: bool = True) -> Peer:
    """The peer `name` at `url`, not connected yet. `captures`: see OpenPeer.

    Raises PeerUnsafe for an unknown scheme or an unreadable URL.
    """
    known = kinds()
    scheme = url.partition(":")[0].lower()
    point = known.get(scheme)
    if point is None:
        found = f"its address begins with {scheme!r}" if ":" in url else "its address has no scheme"
        raise PeerUnsafe("unknown kind of peer", why=found, hint=f"use one of: {', '.join(sorted(known))}", peer=name)
    try:
        opener = cast(OpenPeer, point.load())
    except ImportError as error:
        what = f"the {scheme} kind of peer cannot be loaded"
        extra = _KINDS.get(scheme, scheme)
        raise PeerUnsafe(what, why=str(error), hint=f"from the checkout: pip install -e '.[{extra}]'", peer=name) from error
    return opener(name, url, poll_seconds=poll_seconds, captures=captures)
