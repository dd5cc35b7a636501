"""The real thing as a subject of the simulation: the engine with its policies, over the embedded log on a simulated disk."""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress

from syncline.engine.clock import Clock
from syncline.engine.core import Engine, Plan
from syncline.engine.session import Phase
from syncline.engine.state import Stage
from syncline.hub.operations import Operations
from syncline.log.protocol import Log
from syncline.log.sqlite import SqliteLog
from syncline.merge.policy import Rules
from syncline.merge.rules_build import build_rules
from syncline.model.errors import PeerRestored, UsageError
from syncline.model.event import Event, Listener
from syncline.model.space import CollectionSpec, PolicySpec
from syncline.peers.protocol import Peer
from syncline.sim.options import Options
from syncline.sim.shape import COLLECTIONS, ITEMS, PAIRS

LOG_PATH = "/space.log"


def open_simulated_log(vfs: str) -> Log:
    """The embedded log on a mounted simulated disk."""
    return SqliteLog(LOG_PATH, vfs=vfs, inline=True)


def rules(options: Options) -> dict[str, Rules]:
    """The merge rules that the options ask for."""
    register = PolicySpec(options.register, ["bob", "ann"] if options.register == "prefer" else None)
    merge = {
        "name": register, "quantity": PolicySpec("counter"), "tags": PolicySpec("set"), "notes": PolicySpec("text"),
    }  # fmt: skip
    specs = {
        ITEMS.name: CollectionSpec(ITEMS.name, ITEMS.key, merge=merge, deletes=options.deletes),
        PAIRS.name: CollectionSpec(PAIRS.name, PAIRS.key),
    }
    book: dict[str, Rules] = {}
    for shape in COLLECTIONS:
        built = build_rules(specs[shape.name], shape, options.peers, _load)
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
        plan = Plan({shape.name: shape for shape in COLLECTIONS}, rules(options), options.peers[0])
        self._emit = emit
        self._may_rejoin = not {"restore", "stale", "rejoin"}.isdisjoint(options.faults)
        self._engine = Engine(
            log, peers, plan, options.settings, clock, lambda: f"{rng.randrange(2**64):016x}", emit, rng.random
        )

    async def run(self) -> None:
        """Serve."""
        await self._engine.run()

    async def idle(self) -> bool:
        """What `--until-idle` waits for, and no row is set aside, and no peer is left out."""
        if not self._engine.ready.is_set() or not await self._engine.idle():
            return False
        stages = {self._engine.state.peer(name).stage for name in self._engine.sessions}
        return not self._engine.state.parked and stages == {Stage.LIVE}

    def joined(self, peer: str) -> bool:
        """Whether the log says that the peer is in."""
        return self._engine.state.peer(peer).stage is Stage.LIVE and self._engine.sessions[peer].phase is Phase.LIVE

    async def repair(self) -> None:
        """Let peers join again that were restored, or away for too long."""
        for name, session in self._engine.sessions.items():
            if self._may_rejoin and session.phase is Phase.BROKEN and isinstance(session.reason, PeerRestored):
                await self._engine.resume(name, rejoin=True)

    async def rejoin(self, peer: str) -> None:
        """`resume PEER --rejoin`, while another peer is there to join."""
        others = [session for name, session in self._engine.sessions.items() if name != peer]
        if self._engine.ready.is_set() and any(other.ready for other in others):
            with suppress(UsageError):
                await self._engine.resume(peer, rejoin=True)

    async def verify(self) -> int | None:
        """`verify`."""
        report = await Operations(self._engine).verify(repair=False, emit=self._emit)
        return len(report["differences"])

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

    abilities: frozenset[str] = frozenset({"join", "poison", "restore", "stale", "rejoin", "columns"})

    def __init__(self, emit: Listener | None = None) -> None:
        self._emit = emit or _ignore

    def start(self, log: Log, peers: Sequence[Peer], clock: Clock, options: Options, rng: random.Random) -> ProductHub:
        """A hub; nothing runs before `run`."""
        return ProductHub(log, peers, clock, options, rng, self._emit)


def _ignore(_event: Event) -> None:
    """Nobody listens."""
