"""A space as configured: peers, collections and settings, after the text was checked and before any peer was asked."""

from datetime import time
from enum import StrEnum
from typing import Any

import msgspec

from syncline.model import limits


class Direction(StrEnum):
    """What a peer does with a collection: SEND only gives, RECEIVE only takes, BOTH."""

    BOTH = "both"
    SEND = "send"
    RECEIVE = "receive"


class PeerSpec(msgspec.Struct, frozen=True):
    """One peer: its name in this space and the URL that finds its kind and place. `line` is where the text says so.

    `written`: the address as the text has it, where a part of it is kept in a file that may change; '' elsewhere.
    """

    name: str
    url: str
    line: int = 0
    written: str = ""


class PolicySpec(msgspec.Struct, frozen=True):
    """A field's policy as written: a name and, for some, an argument (prefer: [hq], rule: 'expression', custom: 'module:f')."""

    name: str
    argument: Any = None
    line: int = 0


class CollectionSpec(msgspec.Struct, frozen=True):
    """One collection as written. `merge` maps columns to policies ('default' for the rest); `at` maps peers to table names."""

    name: str
    key: tuple[str, ...] = ()
    at: dict[str, str] = {}
    merge: dict[str, PolicySpec] = {}
    deletes: str = "update_wins"
    direction: dict[str, Direction] = {}
    authority: str = ""  # at a join of populated peers, whose rows stand; '' for the field policies
    lines: dict[str, int] = {}  # where each part stands in the text, by dotted path such as merge.balance

    def direction_at(self, peer: str) -> Direction:
        """The direction of a peer; BOTH where nothing is said."""
        return self.direction.get(peer, Direction.BOTH)


class Settings(msgspec.Struct, frozen=True):
    """The knobs of a space, each with its default from the limits."""

    retention_seconds: float = 30 * 24 * 3600.0
    stale_seconds: float = limits.STALE_SECONDS_MAX
    guard_delete_share: float = limits.GUARD_DELETE_SHARE_MAX
    guard_delete_rows: int = limits.GUARD_DELETE_ROWS_MIN
    drift_seconds: float = limits.DRIFT_SECONDS_MAX
    poll_seconds: float = limits.POLL_SECONDS
    batch_rows: int = limits.BATCH_ROWS_MAX
    inflight_rows: int = limits.INFLIGHT_ROWS_MAX
    window_rows: int = limits.WINDOW_ROWS_MAX


class AutoRepair(msgspec.Struct, frozen=True):
    """Drift that a scheduled proof may repair by itself. `classes`: missing, extra, field; `cap`: rows of one proof at most.

    `policy`: merge, insert, authority:PEER, upsert:PEER or insert:PEER. Beyond the cap none is repaired, and there is an alarm.
    """

    classes: tuple[str, ...] = ("missing", "extra", "field")
    policy: str = "merge"
    cap: int = 100


class VerifySettings(msgspec.Struct, frozen=True):
    """How a running hub proves. `every`: seconds between proofs of what changed; `full`: between full ones, 0 for never.

    `window`: the hours of the day in which full ones run, None for any. `budget`: the share of the time that proving may take.
    """

    every: float = limits.PROOF_SECONDS
    full: float = limits.PROOF_FULL_SECONDS
    window: tuple[time, time] | None = None
    budget: float = limits.PROOF_SHARE
    rows_per_second: int = 0
    repair: AutoRepair | None = None


class ServeSettings(msgspec.Struct, frozen=True):
    """Where HTTP is answered: `listen` is HOST:PORT, '' for nowhere. `token`: a reference, as written; who serves looks it up.

    `certificate` and `key`: absolute paths of TLS's files. `insecure`: others than this machine may ask without TLS.
    """

    listen: str = ""
    token: str = ""
    certificate: str = ""
    key: str = ""
    insecure: bool = False


class Space(msgspec.Struct, frozen=True):
    """Everything the configuration says. `log` is a file path (embedded) or a URL; `path` is the configuration file's own."""

    name: str
    log: str
    peers: dict[str, PeerSpec]
    collections: dict[str, CollectionSpec]
    settings: Settings = Settings()
    verify: VerifySettings = VerifySettings()
    serve: ServeSettings = ServeSettings()
    path: str = ""

    def heard(self, peer: str) -> frozenset[str]:
        """The collections in which what its users write counts."""
        specs = self.collections.items()
        return frozenset([name for name, spec in specs if spec.direction_at(peer) is not Direction.RECEIVE])

    def hears(self, peer: str) -> bool:
        """Whether anything that its users write counts: it does not only receive."""
        return not self.collections or bool(self.heard(peer))
