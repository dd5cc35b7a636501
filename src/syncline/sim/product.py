"""The real thing as a subject of the simulation: the engine with its policies, over the embedded log on a simulated disk."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress

from syncline.engine.clock import Clock
from syncline.engine.core import Engine, Plan
from syncline.engine.renaming import rename_entry
from syncline.engine.session import Phase
from syncline.engine.state import Stage
from syncline.hub.operations import Operations
from syncline.hub.repairs import Wish, repair
from syncline.log.protocol import Log
from syncline.log.sqlite import SqliteLog
from syncline.merge.policy import Rules
from syncline.merge.rules_build import build_rules
from syncline.model.errors import PeerRestored, UsageError
from syncline.model.event import Event, Listener
from syncline.model.space import CollectionSpec, Direction, PolicySpec, VerifySettings
from syncline.peers.protocol import Peer
from syncline.sim.naming import first_name
from syncline.sim.options import LIFECYCLE, Options
from syncline.sim.shape import COLLECTIONS, ITEMS, PAIRS

LOG_PATH = "/space.log"
PROOFS = VerifySettings(every=0.7, full=3.0, budget=1.0)
APART_SECONDS = 0.05  # between two looks whether a session has ended


def open_simulated_log(vfs: str) -> Log:
    """The embedded log on a mounted simulated disk."""
    return SqliteLog(LOG_PATH, vfs=vfs, inline=True)


def rules(options: Options, peers: Sequence[str] = ()) -> dict[str, Rules]:
    """The merge rules that the options ask for. `peers`: as they are called now."""
    names = {first_name(peer): peer for peer in peers or options.peers}
    prefer = [names.get(one, one) for one in ("bob", "ann")]
    register = PolicySpec(options.register, prefer if options.register == "prefer" else None)
    merge = {
        "name": register, "quantity": PolicySpec("counter"), "tags": PolicySpec("set"), "notes": PolicySpec("text"),
    }  # fmt: skip
    specs = {
        ITEMS.name: CollectionSpec(ITEMS.name, ITEMS.key, merge=merge, deletes=options.deletes),
        PAIRS.name: CollectionSpec(PAIRS.name, PAIRS.key),
    }
    book: dict[str, Rules] = {}
    for shape in COLLECTIONS:
        built = build_rules(specs[shape.name], shape, tuple(names.values()), _load)
        if isinstance(built, list):
            raise UsageError("the simulation's own rules do not hold", why="; ".join(map(str, built)))
        book[shape.name] = built
    return book


def _load(path: str) -> Callable[..., object]:
    raise UsageError(f"the simulation loads no functions, and {path} was asked for")


class ProductHub:
    """One running engine."""

    def __init__(
        self, log: Log, peers: Sequence[Peer], clock: Clock, options: Options, rng: random.Random, emit: Listener
    ) -> None:
        self._called = {first_name(peer.name): peer.name for peer in peers}
        book = rules(options, list(self._called.values()))
        receives = {self._called[peer]: Direction.RECEIVE for peer in options.receivers}
        directions = {shape.name: receives for shape in COLLECTIONS}
        shapes = {shape.name: shape for shape in COLLECTIONS}
        plan = Plan(shapes, book, self._called[options.peers[0]], directions=directions)
        self._emit, self._proves = emit, options.proves
        self._may_rejoin = not {"restore", "stale", "rejoin", *LIFECYCLE}.isdisjoint(options.faults)
        self._engine = Engine(
            log, peers, plan, options.settings, clock, lambda: f"{rng.randrange(2**64):016x}", emit, rng.random
        )

    async def run(self) -> None:
        """Serve, and compare in the background where the options ask for it."""
        if not self._proves:
            await self._engine.run()
            return
        proving = asyncio.create_task(self._prove())
        try:
            await self._engine.run()
        finally:
            proving.cancel()
            (ended,) = await asyncio.gather(proving, return_exceptions=True)
            if isinstance(ended, Exception):  # it is to go on whatever happens to peers and log
                raise ended

    async def _prove(self) -> None:
        await self._engine.ready.wait()
        await Operations(self._engine, verify=PROOFS).proving.run()

    def proven(self) -> bool:
        """Whether the log says that all copies are equal through the last change."""
        state = self._engine.state
        through = [state.proofs.of(shape.name).through for shape in COLLECTIONS]
        return all(one.get(peer, -1) >= state.data for one in through for peer in self._engine.sessions)

    async def idle(self) -> bool:
        """What `--until-idle` waits for, and no row is set aside, and no peer is left out."""
        if not self._engine.ready.is_set() or not await self._engine.idle():
            return False
        stages = {self._engine.state.peer(name).stage for name in self._engine.sessions}
        return not self._engine.state.parked and stages == {Stage.LIVE}

    def joined(self, peer: str) -> bool:
        """Whether the log says that the peer is in."""
        name = self._called[peer]
        return self._engine.state.peer(name).stage is Stage.LIVE and self._engine.sessions[name].phase is Phase.LIVE

    async def repair(self) -> None:
        """Let peers join again that were restored, or away for too long."""
        for name in self._engine.sessions if self._may_rejoin else ():
            await self._readmit(name)

    async def _readmit(self, name: str) -> bool:
        """Let a peer join again that was stopped as another copy, was away for too long or left."""
        session, stage = self._engine.sessions[name], self._engine.state.peer(name).stage
        if not self._engine.ready.is_set():
            return False
        stopped = session.phase is Phase.BROKEN and isinstance(session.reason, PeerRestored)
        if stopped or stage is Stage.LEFT:
            await self._engine.resume(name, rejoin=True)
        return stopped or stage is Stage.LEFT

    async def do(self, verb: str, peer: str, *words: str) -> bool:
        """`teardown PEER` as far as the hub has a part in it, `resume PEER [--rejoin]`, `rename OLD NEW`."""
        if verb == "rename":
            await self._rename(peer, *words)
            return True
        name = self._called[peer]
        if not self._engine.ready.is_set():
            return False
        match verb:
            case "leave":
                await self._engine.leave(name)
                while self._engine.sessions[name].phase in (Phase.CONNECTING, Phase.JOINING, Phase.LIVE):
                    await asyncio.sleep(APART_SECONDS)
            case "readmit":
                return await self._readmit(name)
            case _:
                await self._engine.resume(name)
        return True

    async def _rename(self, old: str, new: str) -> None:
        engine = self._engine
        serving, ready = asyncio.create_task(engine.run(sessions=False)), asyncio.create_task(engine.ready.wait())
        await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if not serving.done():
            made = lambda offset: rename_entry(engine.state, old, new, offset, engine.clock.now())  # noqa: E731
            await engine.ingest.command(made)
            serving.cancel()
            await asyncio.wait({serving})
        if not serving.cancelled():
            serving.result()

    async def rejoin(self, peer: str) -> None:
        """`resume PEER --rejoin`, while another peer is there to join."""
        peer = self._called[peer]
        others = [session for name, session in self._engine.sessions.items() if name != peer]
        if self._engine.ready.is_set() and any(other.ready for other in others):
            with suppress(UsageError):
                await self._engine.resume(peer, rejoin=True)

    async def verify(self) -> int | None:
        """`verify`."""
        report = await Operations(self._engine).verify(repair=False, emit=self._emit)
        return len(report["differences"])

    async def mend(self, policy: str, peer: str) -> int:
        """`repair --yes --policy POLICY[:PEER]`."""
        text = policy if policy in ("merge", "insert") else f"{policy}:{self._called[peer]}"
        report = await repair(Operations(self._engine), Wish(policy=text, yes=True), self._emit)
        return int(report["done"]["repaired"])

    def explain(self) -> str:
        """Where each session stands, for a failure's message."""
        engine = self._engine
        lines = [
            f"{name}: {session.phase}, {engine.state.peer(name).stage}, captured {engine.state.peer(name).captured}, "
            f"delivered {session.deliver.watermark if session.deliver else None}, because {session.reason}"
            for name, session in engine.sessions.items()
        ]
        return f"head {engine.state.head}, data {engine.state.data}; " + "; ".join(lines)


class Product:
    """Syncline itself."""

    abilities: frozenset[str] = frozenset(
        {"join", "poison", "restore", "stale", "rejoin", "columns", "lifecycle", "repair", "prove", "receive"}
    )

    def __init__(self, emit: Listener | None = None) -> None:
        self._emit = emit or _ignore

    def start(self, log: Log, peers: Sequence[Peer], clock: Clock, options: Options, rng: random.Random) -> ProductHub:
        """A hub; nothing runs before `run`."""
        return ProductHub(log, peers, clock, options, rng, self._emit)


def _ignore(_event: Event) -> None:
    """Nobody listens."""
