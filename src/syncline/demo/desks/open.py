"""Finds the dialect for an address; the driver of a kind is loaded when the first of its databases is opened."""

from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Final, cast

from syncline.demo.desks.desk import Desk, Dialect
from syncline.model.errors import NotInstalled

KINDS: Final = {"sqlite": "sqlite", "postgresql": "postgres", "mariadb": "mariadb"}  # scheme -> module
EXTRAS: Final = {"postgres": "postgres", "mariadb": "mysql"}  # the extra with the driver of each kind


@cache
def dialect(scheme: str) -> Dialect:
    """The dialect of a kind. Raises NotInstalled where its driver is missing."""
    kind = KINDS[scheme]
    try:
        return cast(Dialect, EntryPoint(scheme, f"syncline.demo.desks.{kind}:DIALECT", "").load())
    except ImportError as error:
        what, extra = f"the driver for {kind} is not installed", EXTRAS.get(kind, kind)
        raise NotInstalled(what, why=str(error), hint=f"from the checkout: pip install -e '.[{extra}]'") from error


def address_of(place: Path | str) -> str:
    """The address of a place: a file's, or what is one already."""
    return f"sqlite://{place.absolute().as_uri().removeprefix('file://')}" if isinstance(place, Path) else place


def open_desk(place: Path | str) -> Desk:
    """A desk at a file or an address. Raises the driver's errors, NotInstalled."""
    address = address_of(place)
    known = dialect(address.partition(":")[0])
    return Desk(known.connect(address), known)
