"""Events: what happened, for whoever listens. Nothing in the stream depends on a listener."""

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec


class Event(msgspec.Struct, frozen=True):
    """Something that happened. `name` is dotted and stable (peer.connected, entry.appended, row.parked...)."""

    name: str
    peer: str = ""
    collection: str = ""
    count: int = 1
    detail: dict[str, Any] = {}


Listener: TypeAlias = Callable[[Event], None]
