"""The fold of the log as a CHECKPOINT entry holds it: fields by place, so that new ones go to the end and have a default."""

from typing import Any

import msgspec

from syncline.model.stamp import Micros, Offset, Position


class PeerExport(msgspec.Struct, array_like=True):
    """A peer's record."""

    name: str
    stage: str
    incarnation: str
    nonces: tuple[str, ...]
    position: Position | None
    captured: Offset
    joined_at: Offset
    approved: Offset
    rejoining: bool
    since: Position | None
    authority: str
    joins: list[tuple[str, bytes]]
    joined: list[str]
    paused_from: str
    had: Offset
    alone: bool
    staged: Micros = 0
    unheard: tuple[str, ...] = ()


class ParkedExport(msgspec.Struct, array_like=True):
    """A parked row."""

    peer: str
    collection: str
    key: bytes
    since: Offset
    code: str
    reason: str
    at: Offset
    time: Micros
    retried: Offset
    attempts: int
    skipped: bool
    first: Offset = 0


class Export(msgspec.Struct, array_like=True):
    """All of it."""

    peers: list[PeerExport]
    parked: list[ParkedExport]
    columns: dict[str, tuple[str, ...]]
    rules: dict[str, int]
    conflicts: dict[str, int]
    verified: dict[str, dict[str, Offset]]
    data: Offset = 0
    proofs: dict[str, Any] = {}
    renames: list[tuple[Offset, str, str]] = []
