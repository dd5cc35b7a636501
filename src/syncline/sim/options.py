"""One run's options, all drawn from its seed: how many peers, what users do, which faults there are, how clocks lie."""

import random
from typing import Final

import msgspec

from syncline.model.space import Settings
from syncline.sim.workload import Habits

FAULTS: Final = (
    "cut", "silent", "deaf", "slow", "repeat", "jump", "kill", "power", "stop", "crash", "full", "fail_sync", "trim",
)  # fmt: skip
RARE_FAULTS: Final = ("poison", "stale", "late", "restore")  # only for programs that declare the ability of that name

POLICIES: Final = ("merge", "insert", "upsert", "authority")  # of repairs
LIFECYCLE: Final = ("clone", "replace", "remove", "rename")  # for programs that declare the ability of that name


class Options(msgspec.Struct, frozen=True):
    """Everything that may differ between two runs. Seconds are virtual."""

    seed: int
    peers: tuple[str, ...] = ("ann", "bob", "cid")
    exact: tuple[bool, ...] = (True, True, True)  # per peer: are transactions captured one by one?
    columns: tuple[bool, ...] = (False, False, False)  # per peer: do rows come by columns, small transactions in groups?
    habits: Habits = Habits()
    chaos_seconds: float = 30.0
    quiet_seconds_max: float = 1000.0
    faults: tuple[str, ...] = ()
    faults_per_minute: float = 12.0
    skew_micros: tuple[int, ...] = (0, 0, 0)
    drift_ppm: tuple[float, ...] = (0.0, 0.0, 0.0)
    shuffle: bool = True
    start: str = "equal"  # what the peers hold at first: equal rows, all at one (empty), or differing
    early: bool = False  # users write while peers join
    chunk_rows: int = 0  # items that a peer gives out in one range at most, so that a join has many; 0: as many as asked for
    register: str = "newest"  # the policy of items.name
    deletes: str = "update_wins"
    settings: Settings = Settings()
    proves: bool = False  # the hub compares in the background
    receivers: tuple[str, ...] = ()  # peers that only receive: nothing is captured there, and nobody writes
    losses: str = ""  # by which policy rows are repaired that a peer loses at the end; '': none are lost

    def show(self) -> str:
        """One line for people."""
        plain = msgspec.to_builtins(self)
        default = msgspec.to_builtins(Options(self.seed))
        return " ".join(f"{name}={value}" for name, value in plain.items() if value != default[name] or name == "seed")


def draw(seed: int, abilities: frozenset[str] = frozenset()) -> Options:
    """The options of a seed. Each kind of fault and habit is in some runs and not in others, so that none hides another."""
    rng = random.Random(f"options {seed}")
    peers = ("ann", "bob", "cid")[: rng.choice((2, 3, 3))]
    kinds = [*FAULTS, *(fault for fault in RARE_FAULTS if fault in abilities)]
    faults = tuple(fault for fault in kinds if rng.random() < 0.35)
    options = Options(
        seed=seed,
        peers=peers,
        exact=tuple(rng.random() < 0.7 for _ in peers),
        habits=_habits(rng, poison="poison" in faults),
        chaos_seconds=rng.choice((5.0, 15.0, 30.0)),
        faults=faults,
        faults_per_minute=rng.choice((6.0, 20.0, 60.0)),
        skew_micros=tuple(rng.choice((0, 0, 1_000_000, -3_600_000_000, 86_400_000_000)) for _ in peers),
        drift_ppm=tuple(rng.choice((0.0, 0.0, 200.0, -5000.0)) for _ in peers),
        shuffle=rng.random() < 0.8,
        start=rng.choice(("equal", "empty", "differing") if "join" in abilities else ("equal",)),
        early="join" in abilities and rng.random() < 0.3,
        register=rng.choice(("newest", "newest", "first", "prefer", "max", "manual")),
        deletes=rng.choice(("update_wins", "delete_wins", "newest", "manual")),
        settings=Settings(
            stale_seconds=6.0 if "stale" in faults else 1e6,
            guard_delete_rows=1_000_000,
            batch_rows=rng.choice((1, 3, 10_000)),
            inflight_rows=rng.choice((2, 60_000)),
            retention_seconds=rng.choice((1.0, 1e6)) if "trim" in faults else 1e6,
        ),
    )
    if "rejoin" in abilities and rng.random() < 0.2:  # drawn last, so that older seeds stay what they were
        options = msgspec.structs.replace(options, faults=(*faults, "rejoin"))
    if "columns" in abilities and rng.random() < 0.4:
        options = msgspec.structs.replace(options, columns=tuple(rng.random() < 0.7 for _ in peers))
    if "lifecycle" in abilities:
        events = tuple(event for event in LIFECYCLE if rng.random() < 0.12)
        options = msgspec.structs.replace(options, faults=(*options.faults, *events))
    if "repair" in abilities and rng.random() < 0.4:
        options = msgspec.structs.replace(options, losses=rng.choice(POLICIES))
    if "prove" in abilities and rng.random() < 0.4:
        options = msgspec.structs.replace(options, proves=True)
    if "join" in abilities and rng.random() < 0.5:
        options = msgspec.structs.replace(options, chunk_rows=rng.choice((1, 1, 2)))
    if "receive" in abilities and options.start != "differing" and rng.random() < 0.25:
        options = msgspec.structs.replace(options, receivers=peers[-1:], losses="")
    return options


def _habits(rng: random.Random, *, poison: bool) -> Habits:
    return Habits(
        keys=rng.choice((1, 2, 3, 4)),
        rate=rng.choice((0.5, 2.0, 8.0)),
        statements_max=rng.choice((1, 3)),
        insert=rng.choice((0.5, 2.0)),
        update=rng.choice((1.0, 4.0)),
        increment=rng.choice((0.0, 3.0)),
        delete=rng.choice((0.0, 1.0, 3.0)),
        rekey=rng.choice((0.0, 0.0, 1.0)),
        pair=rng.choice((0.0, 1.0, 3.0)),
        poison=0.15 if poison else 0.0,
    )
