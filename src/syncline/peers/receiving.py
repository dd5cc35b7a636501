"""A peer that only receives: what its users do there is not captured, so it needs no log of its own, no slot and no trigger.

Its history is what was delivered to it: a position in it is a watermark, every apply is the next thing that happens there. What
`setup` makes of such a peer has a name that says so, so that one whose users are to be heard later is known not to have been.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from syncline.model import limits
from syncline.model.change import Refusal, Transaction
from syncline.model.stamp import Offset, Position
from syncline.peers.protocol import Identity

_MARK: Final = "received-"
UNHEARD: Final = "it only received until now, so nobody knows what was written there meanwhile"


def receiving(incarnation: str) -> str:
    """The incarnation of a peer of which nothing is captured."""
    return _MARK + incarnation


def only_receives(incarnation: str) -> bool:
    """Whether nothing is captured at the peer of this incarnation."""
    return incarnation.startswith(_MARK)


def is_captured(identity: Identity, wanted: bool) -> bool:
    """Whether a peer is captured: if it is wanted so, and where it was set up so, as long as its history is whole.

    An incarnation whose history is not whole is shown with the reason, in parentheses.
    """
    shown = identity.incarnation
    return wanted or not (identity.fresh or only_receives(shown) or shown.endswith(")"))


def received(watermark: Offset) -> Position:
    """Where the history of a peer that only receives stands, at this watermark."""
    return Position(watermark)


class Deliveries:
    """What a peer that only receives tells of itself: how far it was brought, and which rows it refused."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._streams: set[asyncio.Queue[tuple[Offset, tuple[Refusal, ...]]]] = set()

    def note(self, watermark: Offset, refused: tuple[Refusal, ...]) -> None:
        """An apply was committed."""
        for told in self._streams:
            told.put_nowait((watermark, refused))

    async def stream(self, now: Callable[[], Awaitable[tuple[Offset, tuple[Refusal, ...]]]]) -> AsyncIterator[Transaction]:
        """Every apply, for ever; first the last one, of which `now` tells what the peer has recorded.

        Where nothing is applied for a while, `now` is asked again: nothing else would notice that the peer is gone.
        """
        told: asyncio.Queue[tuple[Offset, tuple[Refusal, ...]]] = asyncio.Queue()
        self._streams.add(told)
        try:
            last, refused = await now()
            yield Transaction(self._peer, received(last), last, 0, (), refused)
            while True:
                try:
                    async with asyncio.timeout(limits.PEER_QUIET_SECONDS):
                        watermark, refused = await told.get()
                except TimeoutError:
                    await now()
                    continue
                if watermark > last:  # else it was recorded by the time that `now` looked
                    last = watermark
                    yield Transaction(self._peer, received(last), last, 0, (), refused)
        finally:
            self._streams.discard(told)
