"""What the SQLite kind of peer can do, and the names of everything that Syncline leaves in a user's file."""

from enum import IntEnum
from typing import Final

from syncline.peers.protocol import Features

FEATURES: Final = Features(
    "sqlite",
    transactions_exact=False,
    note="neighbouring transactions may be captured as one; see docs/peers-sqlite.md",
)
VERSION_MIN: Final = (3, 37, 0)  # STRICT tables, PRAGMA table_list
FORMAT: Final = 1  # of the footprint; a file with a larger one was set up by a newer Syncline

PREFIX: Final = "_syncline_"
STATE: Final = "_syncline_state"
CHANGELOG: Final = "_syncline_changelog"
LAYOUT: Final = "_syncline_layout"


class Event(IntEnum):
    """What a changelog record tells. `kind` in the changelog is layout * 8 + event; 0 is a watermark.

    SAME_KEY and OTHER come before a statement that may replace a row: the row that is in the way, hit by its key or by
    another unique constraint. Whether it went is told by what follows.
    """

    INSERT = 0
    UPDATE = 1
    DELETE = 2
    SAME_KEY = 3
    OTHER = 4


EVENTS: Final = 8
WATERMARK: Final = 0  # the kind of a watermark record; layouts are numbered from 1


def quote(name: str) -> str:
    """An identifier as SQLite reads it back, whatever it is made of."""
    return '"' + name.replace('"', '""') + '"'
