"""Reads whole columns of the server's texts, by the form of their type."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from syncline.model.forms import read_column
from syncline.model.value import Value
from syncline.peers.postgres.convert import form_of

ColumnReader: TypeAlias = Callable[[Sequence[Any]], Sequence[Value]]  # of bytes and None


def column_reader_of(oid: int) -> ColumnReader:
    """What turns a column of this type into values."""
    return partial(read_column, form_of(oid))
