"""Digests of key ranges by reading every row once, for kinds that have no hash that others could compute too."""

from collections.abc import Callable, Sequence

from syncline.model.codec import digest_row
from syncline.model.value import Key, Row
from syncline.peers.protocol import Digest

MODULUS = 2**128


class Summing:
    """Sums the digests of a range's rows in key order, and cuts it into parts of `size` rows."""

    def __init__(self, after: Key | None, upto: Key | None, size: int, digest: Callable[[Row], int] = digest_row) -> None:
        self._after, self._upto, self._size, self._digest = after, upto, size, digest
        self._count = self._total = 0
        self._last: Key | None = None
        self.parts: list[Digest] = []

    def add(self, rows: Sequence[tuple[Key, Row]]) -> None:
        """Take the next rows."""
        while rows:
            if self._count == self._size:
                self._close(self._last)
            piece = rows[: self._size - self._count]
            rows = rows[len(piece) :]
            self._total += sum([self._digest(row) for _, row in piece])
            self._count += len(piece)
            self._last = piece[-1][0]

    def _close(self, upto: Key | None) -> None:
        self.parts.append(Digest(self._after, upto, self._count, self._total % MODULUS))
        self._after, self._count, self._total = upto, 0, 0

    def finish(self) -> list[Digest]:
        """All parts; the last one reaches to the end of the range."""
        self._close(self._upto)
        return self.parts
