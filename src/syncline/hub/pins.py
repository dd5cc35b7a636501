"""Pins: what was read at the peers beside the stream must not leave the window before it was used."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final

from syncline.merge.window import Window
from syncline.model.stamp import Offset

_NUMBERS: Final = count()


@contextmanager
def pinned(window: Window, offset: Offset) -> Iterator[None]:
    """Nothing above this offset leaves the window meanwhile: what changes after the rows were read is seen there."""
    pin = f"operation {next(_NUMBERS)}"
    window.pins[pin] = offset
    try:
        yield
    finally:
        del window.pins[pin]
