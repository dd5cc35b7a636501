"""What every kind of peer offers to the loop: capture, apply, snapshot, read, and care of its own footprint.

A door translates between a peer's own types and model values, and decides nothing.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol, TypeAlias, cast

import msgspec

from syncline.model.block import Block
from syncline.model.canonical import Way
from syncline.model.change import Refusal, Transaction
from syncline.model.errors import PeerChanged, Problem
from syncline.model.schema import Collection, Table
from syncline.model.stamp import Micros, Offset, Position
from syncline.model.value import Key, Row
from syncline.model.write import Batch, Late


class Features(msgspec.Struct, frozen=True):
    """What a kind of peer can do; abilities are data."""

    kind: str
    captures: bool = True
    transactional: bool = True
    transactions_exact: bool = True  # False: consecutive source transactions may be captured as one
    truncates: bool = False
    note: str = ""


class Identity(msgspec.Struct, frozen=True):
    """Who answered: the peer's incarnation, the nonce of its last session, its watermark and the end of its history.

    `fingerprint` came with the watermark (Batch.fingerprint). `forgotten`: its history up to there is gone, or acknowledged.
    `empty`: there is nothing yet, and the address allows to begin so: `setup` makes the tables as Collection.makes says.
    """

    incarnation: str
    nonce: str
    watermark: Offset
    position: Position
    fresh: bool  # no footprint of ours was found: never set up, or wiped
    fingerprint: str = ""
    forgotten: Position = Position(0)
    empty: bool = False


class Applied(msgspec.Struct, frozen=True):
    """What an apply did. The watermark is committed; `refused` rows were left out and are recorded with it."""

    rows: int
    refused: tuple[Refusal, ...] = ()


class Chunk(msgspec.Struct, frozen=True):
    """Rows of a key range as of one moment: sorted as the peer sorts its keys, at history `position` and `watermark`.

    `last` is the last key seen (pass it as `after` to go on), `done` tells that there is nothing beyond it. `block`: the same
    rows by columns, as inserts, where the peer reads them so.
    """

    rows: tuple[tuple[Key, Row], ...]
    last: Key | None
    done: bool
    position: Position
    watermark: Offset
    block: Block | None = None

    @classmethod
    def of_block(cls, block: Block, last: Key | None, *, done: bool, position: Position, watermark: Offset) -> "Chunk":
        """A chunk by columns; its rows are made if somebody looks at them."""

        def rows() -> Sequence[tuple[Key, Row]]:
            return cast(Sequence[tuple[Key, Row]], list(zip(block.keys, block.images()[1], strict=True)))

        late = cast(tuple[tuple[Key, Row], ...], Late(block.count, rows))
        return cls(late, last, done, position, watermark, block)


Range: TypeAlias = tuple[Key | None, Key | None]  # half-open: after < key <= upto; None: open at that end


class Digest(msgspec.Struct, frozen=True):
    """Rows, counted and added up: model.canonical.total_of their digests."""

    count: int
    total: int


class Digests(msgspec.Struct, frozen=True):
    """A digest of each part that was asked for, all from one snapshot at history `position` and `watermark`."""

    parts: tuple[Digest, ...]
    position: Position
    watermark: Offset


class Kept(msgspec.Struct, frozen=True):
    """What a server keeps of its own log that is still needed of it, and when it would let go of that.

    `what`: the slot, or the oldest file. `bytes`: from there to the end. `budget`: how many it may keep because of us; 0 where
    it keeps them anyway. `bytes_max`: it lets go beyond so many; 0: never. `seconds`: for how long nobody has read there;
    `seconds_max`: it lets go after so many; 0: never. `leaving`: it says that it may let go now. `lost`: why it has. `look`:
    where to look if it grows while a hub reads it.
    """

    what: str
    bytes: int
    budget: int = 0
    bytes_max: int = 0
    seconds: float = 0.0
    seconds_max: float = 0.0
    leaving: bool = False
    lost: str = ""
    look: str = ""


class Peer(Protocol):
    """One place that holds copies. All methods raise PeerError subclasses; transient ones may be tried again."""

    name: str
    features: Features

    async def connect(self) -> Identity:
        """Open connections and tell who is there. Touches nothing."""
        ...

    async def inspect(self) -> dict[str, Table]:
        """The peer's tables by name, without Syncline's own."""
        ...

    async def check(self, collections: Sequence[Collection]) -> list[Problem]:
        """Every unmet precondition, with the statement that fixes it."""
        ...

    async def advice(self, collections: Sequence[Collection]) -> list[str]:
        """What would be better at this peer, but need not be: a sentence each, with what to do."""
        ...

    async def kept(self, after: Position | None) -> Kept | None:
        """What its server keeps for whoever goes on from `after`, on a connection of its own if need be; None: nothing."""
        ...

    async def changed(self) -> PeerChanged | None:
        """What happened to a captured table that its changes cannot be trusted any more; None: nothing. Writes nothing."""
        ...

    async def setup(self, collections: Sequence[Collection]) -> Identity:
        """Create or bring up to date our footprint (changelog, triggers, watermark); idempotent."""
        ...

    async def enter(self, nonce: str) -> Offset:
        """Write this session's nonce into the peer, so that a copied or restored one is noticed; its watermark as of then.

        From here on no apply of an earlier session takes effect, however late it arrives.
        """
        ...

    async def teardown(self) -> None:
        """Remove every trace of ours; idempotent."""
        ...

    def stream(self, after: Position | None) -> AsyncIterator[Transaction]:
        """Committed transactions after a position, in commit order, for ever; our own echo appears only as context.

        Yields at least one transaction, empty if need be, for the end of history as it was when the stream began: so that a
        reader knows that it has caught up. None: from the oldest that the peer still has.
        Raises PeerChanged when a captured table was altered, dropped or recreated.
        """
        ...

    async def position(self) -> Position:
        """The current end of the peer's own history; capture has been drained once it yielded up to here."""
        ...

    async def acknowledge(self, upto: Position) -> None:
        """The log has everything up to here durably: the peer may forget it."""
        ...

    async def apply(self, batch: Batch) -> Applied:
        """Apply a batch and its watermark in one transaction. Rows that a constraint refuses are left out and recorded.

        Raises PeerUnreachable, and does nothing, if another session has entered since this one did.
        """
        ...

    async def chunk(self, collection: Collection, after: Key | None, limit: int, upto: Key | None = None) -> Chunk:
        """Up to `limit` rows with after < key <= upto in the peer's own key order, from one snapshot."""
        ...

    async def rows(self, collection: Collection, keys: Sequence[Key]) -> Chunk:
        """The rows of these keys, as of one moment; keys that are not there are left out."""
        ...

    async def ways(self, collection: Collection) -> dict[str, str]:
        """The algorithms (model.canonical) by which this peer should digest a collection, each with a sample.

        Peers with equal samples digest alike. Every one that was named here must be answered, whatever became of the table.
        """
        ...

    async def fences(self, collection: Collection, ranges: Sequence[Range], size: int) -> list[list[Key]]:
        """For each range the keys that cut it into parts of about `size` rows, in the order of `chunk`; often none."""
        ...

    async def digests(self, collection: Collection, ranges: Sequence[Range], way: Way) -> Digests:
        """The digest of each range, computed where the rows are if that can be."""
        ...

    async def hashes(self, collection: Collection, ranges: Sequence[Range], way: Way) -> list[dict[Key, int]]:
        """For each range the digest of each of its rows, by key. For ranges of few rows."""
        ...

    async def digests_of(self, collection: Collection, groups: Sequence[Sequence[Key]], way: Way) -> Digests:
        """The digest of the rows of each group of keys; keys that are not there are left out."""
        ...

    async def clock(self) -> Micros:
        """The peer's own clock now."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...
