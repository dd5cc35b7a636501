"""Repairing: drift that was found is settled as ordinary changes through the log. What did not stand is kept.

Each entry keeps what stood at each peer before, and what the log had told of the row, so that a repair can be undone.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from syncline.compare.repair import Outcome, RepairPolicy, Told
from syncline.engine.core import Engine
from syncline.hub.pins import pinned
from syncline.hub.pipeline import LivePipeline
from syncline.hub.telling import Decide, LastWords, Rows, by_policy
from syncline.model.change import Change
from syncline.model.codec import encode_row
from syncline.model.entry import Entry, Kind
from syncline.model.limits import REPAIR_ENTRY_ROWS_MAX, REPAIR_PORTION_ROWS
from syncline.model.schema import Collection
from syncline.model.stamp import Offset
from syncline.model.value import Key
from syncline.peers.protocol import Peer
from syncline.reconcile.verify import Difference, read_copies

Receivers = Callable[[Collection], Sequence[Peer]]
CHANGED = "its copies, or what is to become of it, changed since the plan was made"
FLYING = "a change of it is under way, or it is parked at some peer"


class Mark(NamedTuple):
    """By what a row is known to be as it was planned: its copies and, unless '', what is to become of them."""

    stood: str
    after: str = ""


class Left(msgspec.Struct, frozen=True):
    """A key that was left as it is, and why; `idle`: nothing is to be done about it."""

    collection: str
    key: Key
    why: str
    idle: bool = False


class Done(msgspec.Struct):
    """What a repair did. `id`: the offset of its first entry, 0 as long as there is none."""

    id: Offset = 0
    repaired: int = 0
    left: list[Left] = []


def mark_rows(rows: Rows) -> str:
    """A short text that is another one for other rows or other peers."""
    digest = blake2b(digest_size=16)
    for peer in sorted(rows):
        row = rows[peer]
        for part in (encode_row((peer,)), b"" if row is None else encode_row(row)):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def mark_of(outcome: Outcome) -> Mark:
    """By what a planned row is known."""
    return Mark(mark_rows(outcome.stood), mark_rows(outcome.after))


class Carrier:
    """Carries one repair out, through the log. `policy`: how, in words; `undoes`: the id of the repair that it takes back.

    `approved`: peers whose brake is to let its deletes pass. `by`: who ordered it, for the history.
    """

    def __init__(
        self,
        engine: Engine,
        receivers: Receivers,
        pipeline: LivePipeline,
        decide: Decide,
        policy: str,
        *,
        undoes: Offset = 0,
        approved: Sequence[str] = (),
        by: str = "",
    ) -> None:
        self._engine, self._receivers, self._pipeline, self._decide = engine, receivers, pipeline, decide
        self._policy, self._undoes, self._approved, self._by = policy, undoes, approved, by
        self.done = Done()

    async def carry(self, collection: Collection, wanted: Mapping[Key, Mark]) -> int:
        """Give these keys their outcome, each if it still is as its mark says and not in flight; how many."""
        before, keys = self.done.repaired, list(wanted)
        for start in range(0, len(keys), REPAIR_PORTION_ROWS):
            portion = keys[start : start + REPAIR_PORTION_ROWS]
            words = LastWords(self._engine.log, collection.name, frozenset(portion))
            for place in range(0, len(portion), REPAIR_ENTRY_ROWS_MAX):
                some = portion[place : place + REPAIR_ENTRY_ROWS_MAX]
                await self._carry(collection, {key: wanted[key] for key in some}, words)
                words.forget(some)
        return self.done.repaired - before

    async def _carry(self, collection: Collection, wanted: Mapping[Key, Mark], words: LastWords) -> None:
        engine, name = self._engine, collection.name
        with pinned(engine.window, min(engine.state.confirmed().values(), default=0)):
            copies, sure = await read_copies(collection, self._receivers(collection), list(wanted), self._pipeline)
            if not sure:
                self._leave(name, wanted, "a peer did not tell in time what it wrote")
                return
            told = await words.found()
            decided: list[Outcome] = []
            for key, mark in wanted.items():
                rows = {peer: held.get(key) for peer, held in copies.items()}
                outcome = self._decide(collection, key, rows, told.get(key)) if mark_rows(rows) == mark.stood else None
                if outcome is None or (mark.after and mark_rows(outcome.after) != mark.after):
                    self._leave(name, [key], CHANGED)
                elif outcome.left:
                    self._leave(name, [key], outcome.left)
                else:
                    decided.append(outcome)
            free: list[Outcome] = []

            def build(offset: Offset) -> list[Entry]:
                free.extend(one for one in decided if engine.window.view(name, one.key) is None)
                return self._entries(offset, free, told)

            made = await engine.ingest.command(build) if decided else ()
        settled = [entry for entry in made if entry.kind is Kind.SETTLE]
        if settled and not self.done.id:
            self.done.id = settled[0].offset
        self.done.repaired += len(free)
        landed = {one.key for one in free}
        self._leave(name, [one.key for one in decided if one.key not in landed], FLYING)

    def _leave(self, collection: str, keys: Mapping[Key, Mark] | Sequence[Key], why: str) -> None:
        self.done.left += [Left(collection, key, why) for key in keys]

    def _entries(self, offset: Offset, outcomes: Sequence[Outcome], told: Mapping[Key, Told]) -> list[Entry]:
        """One entry for everyone and one for each peer that gets something alone, by whose rows they are."""
        groups: dict[tuple[str, str], list[tuple[Outcome, Change]]] = {}
        for one in outcomes:
            for sent in one.sent:
                groups.setdefault((sent.origin, sent.to), []).append((one, sent.change))
        if not groups:
            return []
        now, first = self._engine.clock.now(), offset + len(self._approved)
        body = {"approved": first + len(groups) - 1}
        made = [Entry(offset + place, Kind.PEER, peer, time=now, body=body) for place, peer in enumerate(self._approved)]
        for place, ((origin, to), some) in enumerate(groups.items()):
            kept = self._kept(self.done.id or first, to, [one for one, _ in some], told)
            changes = tuple([change for _, change in some])
            entry = Entry(first + place, Kind.SETTLE, origin, time=now, changes=changes, to=to, body=kept)
            self._engine.window.replay(entry)
            made.append(entry)
        return made

    def _kept(self, id: Offset, to: str, outcomes: Sequence[Outcome], told: Mapping[Key, Told]) -> dict[str, Any]:
        """What an undo needs: the peers, each key's rows there, and the log's row before, [] where it knew none."""
        peers = list(outcomes[0].stood)
        body: dict[str, Any] = {"repair": len(outcomes), "id": id, "policy": self._policy, "peers": peers}
        body["stood"] = [[one.stood[peer] for peer in peers] for one in outcomes]
        words = [told.get(one.key) for one in outcomes]
        body["told"] = [[word.row] if word is not None and word.known else [] for word in words]
        if to and self._undoes:
            body["words"] = [list(one.word) for one in outcomes]
        body |= {"by": self._by} if self._by else {}
        return body | ({"undoes": self._undoes} if self._undoes else {})


async def repair(
    engine: Engine, receivers: Receivers, drifted: Sequence[Difference], pipeline: LivePipeline, by: str = ""
) -> int:
    """Merge these rows by the field policies, unless they are in flight or others than were compared; how many."""
    policy = RepairPolicy()
    carrier = Carrier(engine, receivers, pipeline, by_policy(engine.plan, policy), policy.text, by=by)
    return await carry_found(engine, carrier, drifted)


async def carry_found(engine: Engine, carrier: Carrier, drifted: Sequence[Difference]) -> int:
    """Repair what a comparison found, each row if it still is as it was found; how many."""
    for collection in engine.plan.collections.values():
        found = {one.key: Mark(mark_rows(one.rows)) for one in drifted if one.collection == collection.name}
        if found:
            await carrier.carry(collection, found)
    return carrier.done.repaired
