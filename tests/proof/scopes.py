"""What is explored: the scopes of every test run, those of the long walk, and the small ones in which mutants are hunted."""

from typing import Final

from tests.proof.graph import Scope
from tests.proof.words import OTHER, START

USUAL: Final = (
    Scope("2 x 2, a register and a counter, update_wins", writes=(2, 2), ops="andi"),
    Scope("2 x 2, a set, delete_wins", writes=(2, 2), ops="sdi", deletes="delete_wins"),
    Scope("2 + 1, newest, without the row", writes=(2, 1), ops="aindj", start=False, deletes="newest"),
    Scope("2 + 1, manual, delete and insert again", writes=(2, 1), ops="andix", deletes="manual"),
    Scope("2 + 1, first, equal values, twice in one transaction", writes=(2, 1), ops="aefdj", register="first"),
    Scope("2 + 1, prefer, delete_wins", writes=(2, 1), ops="atdi", register="prefer", deletes="delete_wins"),
    Scope("2 + 1, late watermarks", writes=(2, 1), ops="ansi", deletes="newest", lazy=True),
    Scope("3 x 1, update_wins", peers=3, writes=(1, 1, 1), ops="and"),
    Scope("3 x 1, delete_wins, without the row", peers=3, writes=(1, 1, 1), ops="ij", start=False, deletes="delete_wins"),
    Scope("two keys in one transaction", keys=2, writes=(2, 1), ops="amkbi"),
    Scope("1 + 1, one parked entry and its retry", writes=(1, 1), ops="andi", parks=1),
    Scope("1 + 1, two parked entries, delete_wins", writes=(1, 1), ops="di", parks=2, lazy=True, deletes="delete_wins"),
    Scope("1 + 1, one joins with nothing", writes=(1, 1), ops="andi", joiner=True),
    Scope("1 + 1, one joins with a copy", writes=(1, 1), ops="andi", joiner=True, brings=START, deletes="delete_wins"),
    Scope("1 + 1, one joins with a row of its own", writes=(1, 1), ops="adi", joiner=True, brings=OTHER),
)  # fmt: skip
MORE: Final = (
    Scope("3 x 1, everything", peers=3, writes=(1, 1, 1), ops="ansdix"),
    Scope("3 x 1, delete_wins", peers=3, writes=(1, 1, 1), ops="andi", deletes="delete_wins"),
    Scope("3 x 1, newest, late watermarks", peers=3, writes=(1, 1, 1), ops="ad", deletes="newest", lazy=True),
    Scope("2 x 2, everything", writes=(2, 2), ops="andix"),
    Scope("2 x 2, delete_wins", writes=(2, 2), ops="andi", deletes="delete_wins"),
    Scope("2 x 2, newest", writes=(2, 2), ops="andi", deletes="newest"),
    Scope("2 x 2, manual, set", writes=(2, 2), ops="stdi", deletes="manual"),
    Scope("2 x 2, without the row, late watermarks", writes=(2, 2), ops="aid", start=False, lazy=True),
    Scope("3 + 1, delete_wins", writes=(3, 1), ops="adx", deletes="delete_wins"),
    Scope("2 + 1, one parked entry and its retry", writes=(2, 1), ops="adi", parks=1),
    Scope("1 + 1, two parked entries", writes=(1, 1), ops="adi", parks=2, lazy=True, deletes="delete_wins"),
    Scope("two keys, one parked", keys=2, writes=(1, 1), ops="akb", parks=1, deletes="delete_wins"),
    Scope("2 + 1, one joins with nothing", writes=(2, 1), ops="andi", joiner=True),
    Scope("1 + 2, one joins with nothing, delete_wins", writes=(1, 2), ops="andi", joiner=True, deletes="delete_wins"),
    Scope("2 + 1, one joins with a copy, newest", writes=(2, 1), ops="adi", joiner=True, brings=START, deletes="newest"),
    Scope("1 + 2, one joins with a row of its own", writes=(1, 2), ops="asi", joiner=True, brings=OTHER),
    Scope("1 + 0 + 1, one joins with a copy", peers=3, writes=(1, 0, 1), ops="adi", joiner=True, brings=START),
    Scope("1 + 1 + 1, one joins with nothing", peers=3, writes=(1, 1, 1), ops="ad", joiner=True, deletes="delete_wins"),
)
HUNTS: Final = {
    "pair": Scope("hunt 2 + 1", writes=(2, 1), ops="andix"),
    "delete wins": Scope("hunt 2 + 1, delete_wins", writes=(2, 1), ops="andi", deletes="delete_wins"),
    "absent": Scope("hunt 2 + 1, without the row", writes=(2, 1), ops="aind", start=False),
    "parked": Scope("hunt parked", writes=(1, 1), ops="andi", parks=1),
    "parked twice": Scope("hunt parked twice", writes=(1, 1), ops="adi", parks=2),
    "both": Scope("hunt 2 x 2", writes=(2, 2), ops="and"),
    "three": Scope("hunt 3 x 1", peers=3, writes=(1, 1, 1), ops="andi"),
    "first": Scope("hunt first", writes=(2, 1), ops="adi", register="first"),
    "join": Scope("hunt a join", writes=(2, 1), ops="adi", joiner=True),
    "join of a busy one": Scope("hunt a busy join", writes=(1, 2), ops="ai", joiner=True),
    "join with own": Scope("hunt a join with own rows", writes=(1, 1), ops="adi", joiner=True, brings=OTHER),
    "join of three": Scope("hunt a join of three", peers=3, writes=(1, 0, 1), ops="ad", joiner=True, brings=START),
}
