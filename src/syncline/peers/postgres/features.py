"""What the PostgreSQL kind of peer can do, and the names of everything that Syncline leaves in a user's database."""

from typing import Final

from syncline.peers.protocol import Features

FEATURES: Final = Features(
    "postgresql",
    transactions_exact=False,
    note="small transactions that were committed one after the other may travel as one, a transaction of more than "
    "TRANSACTION_ROWS_MAX rows in parts; TRUNCATE asks for a rejoin",
)
VERSION_MIN: Final = 130000  # as server_version_num has it
GENERATED_PUBLISHED: Final = 180000  # from here on a publication says whether it has generated columns
FORMAT: Final = 1  # of the footprint; a database with a larger one was set up by a newer Syncline

SCHEMA: Final = "syncline"
STATE: Final = "syncline.state"
HISTORY: Final = "syncline.history"
LAYOUT: Final = "syncline.layout"
PREFIX: Final = "syncline_"  # of the slot and the publication; the incarnation follows


def object_name(incarnation: str) -> str:
    """The name of the slot and of the publication."""
    return PREFIX + incarnation


def quote(name: str) -> str:
    """An identifier as PostgreSQL reads it back, whatever it is made of."""
    return '"' + name.replace('"', '""') + '"'
