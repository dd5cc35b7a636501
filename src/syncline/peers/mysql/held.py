"""The row events of a transaction that may still be rolled back: in memory, and beyond a bound in a file without a name."""

import tempfile
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import IO, Final

from syncline.model.errors import PeerFull
from syncline.peers.mysql.decode import Relation

Row = tuple[Relation, bytes]

MEMORY_BYTES: Final = 8 * 1024 * 1024  # of events that are held in memory
PIECE_BYTES: Final = 1024 * 1024  # of events that are given back at once
_RECORD: Final = Struct("<II")


class Held:
    """Row events, each with its table, in order. `size`: their bytes."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._file: IO[bytes] | None = None
        self._filed = self._memory = self.size = 0

    def __len__(self) -> int:
        return self._filed + len(self._rows)

    @property
    def is_filed(self) -> bool:
        """Whether some of it is in a file."""
        return self._filed > 0

    def add(self, relation: Relation, event: bytes) -> None:
        """Hold one more."""
        self._rows.append((relation, event))
        self._memory += len(event)
        self.size += len(event)
        if self._memory > MEMORY_BYTES:
            self.spill()

    def spill(self) -> None:
        """Move what is in memory to the file. Raises PeerFull."""
        try:
            self._write()
        except OSError as error:
            hint = "free some space where temporary files are, or name another folder in TMPDIR; it goes on by itself"
            raise PeerFull("there is no space to hold a large transaction", why=str(error), hint=hint) from error

    def _write(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="syncline-")  # noqa: SIM115
        self._file.writelines(_RECORD.pack(one.number, len(event)) + event for one, event in self._rows)
        self._filed += len(self._rows)
        self._rows, self._memory = [], 0

    def back_to(self, count: int, relations: Sequence[Relation]) -> None:
        """Forget all but the first `count`: a savepoint was gone back to."""
        if count < self._filed:
            kept = Held()
            for number, (relation, event) in enumerate(self._read(relations)):
                if number < count:
                    kept.add(relation, event)
            self.close()
            self._rows, self._file, self._filed = kept._rows, kept._file, kept._filed
            self._memory, self.size = kept._memory, kept.size
            return
        gone = self._rows[count - self._filed :]
        del self._rows[count - self._filed :]
        size = sum(len(event) for _, event in gone)
        self._memory -= size
        self.size -= size

    def all(self) -> Sequence[Row]:
        """Everything, where nothing is in a file."""
        return self._rows

    def pieces(self, relations: Sequence[Relation]) -> Iterator[list[Row]]:
        """Everything, about PIECE_BYTES at a time: cut in the same way whenever it is read."""
        piece: list[Row] = []
        size = 0
        for row in self._read(relations):
            piece.append(row)
            size += len(row[1])
            if size >= PIECE_BYTES:
                yield piece
                piece, size = [], 0
        if piece:
            yield piece

    def _read(self, relations: Sequence[Relation]) -> Iterator[Row]:
        if self._file is not None:
            self._file.seek(0)
            for _ in range(self._filed):
                number, size = _RECORD.unpack(self._file.read(_RECORD.size))
                yield relations[number], self._file.read(size)
        yield from self._rows

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            self._file.close()
        self._rows, self._file = [], None
        self._filed = self._memory = self.size = 0
