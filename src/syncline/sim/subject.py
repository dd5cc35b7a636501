"""What the simulator asks of the program under test: a thin port, so that a toy can be tried as well as the real engine."""

import random
from collections.abc import Sequence
from typing import Protocol

from syncline.engine.clock import Clock
from syncline.log.protocol import Log
from syncline.peers.protocol import Peer
from syncline.sim.options import Options


class Handle(Protocol):
    """One running hub."""

    async def run(self) -> None:
        """Serve until cancelled. Raises what ends it."""
        ...

    async def idle(self) -> bool:
        """Whether it says that everything captured is delivered everywhere: 'in sync'."""
        ...

    def joined(self, peer: str) -> bool:
        """Whether a peer is part of the space, so that each of its commits counts."""
        ...

    async def repair(self) -> None:
        """What a person would do after all faults have ended: let peers in again that wait for a decision."""
        ...

    async def rejoin(self, peer: str) -> None:
        """A person lets a peer join again, whatever it is at."""
        ...

    async def do(self, verb: str, peer: str, *words: str) -> bool:
        """What a person does with one peer (leave, readmit, resume, rename: old name, new name); whether it was done.

        A rename is done by a hub that does nothing else: `run` is not called.
        """
        ...

    async def verify(self) -> int | None:
        """How many rows differ between the peers by its own comparison; None if it has none."""
        ...

    def proven(self) -> bool:
        """Whether it claims that all copies were compared and are equal, as far as there were changes."""
        ...

    async def mend(self, policy: str, peer: str) -> int:
        """`repair --yes` by a policy, where it takes one with this peer's rows standing; how many rows."""
        ...

    def explain(self) -> str:
        """Where it stands, for people, when it does not come to rest."""
        ...


class Subject(Protocol):
    """A program under test. `abilities`: join, poison, stale, late, restore, rejoin, columns, lifecycle, repair, prove."""

    abilities: frozenset[str]

    def start(self, log: Log, peers: Sequence[Peer], clock: Clock, options: Options, rng: random.Random) -> Handle:
        """A hub over this log and these peers; nothing runs before `run`."""
        ...
