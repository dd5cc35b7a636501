"""The log as Parquet files: DIR/collection=NAME/part-FIRST-LAST.parquet, and a manifest that says which of them count.

A part takes its name when it is whole and on the disk, and counts once the manifest, which is replaced in one step, names it.
So a crash leaves whole files only, and what the manifest does not name is made again. Parts end with an entry. One run at a
time writes in a folder, and the manifest has the marks of entries by which the next run knows the log again.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from syncline.engine.closing import closing
from syncline.hub.build import ask, build_plan, dismiss
from syncline.hub.folder_claim import claimed
from syncline.hub.offsets import columns_at, require_within
from syncline.hub.optional import arrow
from syncline.hub.travelling import Travelling
from syncline.log.reading import SqliteReader
from syncline.model.change import Change, change_of
from syncline.model.entry import Entry, Kind
from syncline.model.errors import PeerUnreachable, UsageError
from syncline.model.limits import ARCHIVE_GROUP_ROWS, ARCHIVE_PART_ROWS_MAX
from syncline.model.schema import Kind as ColumnKind
from syncline.model.space import Space
from syncline.model.stamp import Micros, Offset

Report = dict[str, Any]
MANIFEST: Final = "manifest.json"
_READ_BYTES: Final = 1024 * 1024


class File(msgspec.Struct, frozen=True):
    """A part that counts. `path` is relative to the archive."""

    path: str
    sha256: str
    bytes: int
    rows: int
    first: Offset
    last: Offset


class Mark(msgspec.Struct, frozen=True):
    """An entry that was archived. Another log has another fingerprint at its offset."""

    offset: Offset
    fingerprint: str


class Kept(msgspec.Struct):
    """What the archive has of one collection: all its entries after `since`, up to `upto`, but for the gaps."""

    since: Offset
    upto: Offset
    key: list[str] = []
    columns: dict[str, str] = {}  # name -> kind
    files: list[File] = []
    gaps: list[tuple[Offset, Offset]] = []  # after the first, up to the second: the log had them no more
    began: Mark | None = None  # the first entry that was archived
    ended: Mark | None = None  # the last


class Manifest(msgspec.Struct):
    """The archive's contents."""

    space: str
    format: int = 1
    collections: dict[str, Kept] = {}


class Archiving(Travelling):
    """The verb that archives. Reads the log beside a running hub, or without one."""

    async def archive(self, folder: str, since: Offset | None, collection: str | None) -> Report:
        """Write what the archive does not have yet; begin after `since`, if it is new."""
        self.known(collection)
        module, place = arrow(), Path(folder)
        names = [collection] if collection is not None else list(self._space.collections)
        async with self.reader() as reader:
            if since is not None and not (place / MANIFEST).exists():
                require_within(reader, since)  # what is refused leaves no folder
            with claimed(place):
                await reader.refresh()  # a run that ended meanwhile may have archived more than this one saw
                return await self._archive(module, place, names, since, reader)

    async def _archive(
        self, module: Any, place: Path, names: Sequence[str], since: Offset | None, reader: SqliteReader
    ) -> Report:
        """Archive into a folder that this run has for itself."""
        manifest = read_manifest(place, self._space)
        shapes = await _shapes(self._space, (await self.state()).columns, manifest, names)
        work = [_Work(module, place, name, manifest, shapes[name], reader, since) for name in names if name in shapes]
        await _require_same_log(place, manifest, reader, since)
        for left in place.glob(f"{MANIFEST}.*part"):
            left.unlink()
        for one in work:
            one.clear()
            await one.mark(reader)
        before = {one.name: one.kept.upto for one in work}
        rows = await _write(work, reader, place, manifest)
        told = {one.name: {"after": before[one.name], "upto": one.kept.upto, "files": one.made} for one in work}
        return {"archive": str(place), "rows": rows, "collections": told}


def verify(folder: str, space: Space) -> Report:
    """Compare the files with the manifest: each there, each with its sum, none besides. Raises UsageError."""
    place = Path(folder)
    if not (place / MANIFEST).is_file():
        raise UsageError(f"there is no archive in {folder}", why=f"it has no {MANIFEST}", hint="make one: syncline archive DIR")
    manifest = read_manifest(place, space)
    problems: list[Report] = []
    known: set[str] = set()
    rows = 0
    for kept in manifest.collections.values():
        for file in kept.files:
            known.add(file.path)
            rows += file.rows
            path = place / file.path
            if not path.is_file():
                problems.append({"file": file.path, "problem": "it is not there"})
            elif path.stat().st_size != file.bytes or _sum(path) != file.sha256:
                problems.append({"file": file.path, "problem": "it is not what was written"})
    others = sorted(str(path.relative_to(place)) for path in place.glob("collection=*/*.parquet"))
    problems += [{"file": path, "problem": "the manifest does not name it"} for path in others if path not in known]
    return {"archive": folder, "sound": not problems, "files": len(known), "rows": rows, "problems": problems}


def read_manifest(place: Path, space: Space) -> Manifest:
    """The manifest; a new one where there is none. Raises UsageError for one that is not this space's."""
    path = place / MANIFEST
    if not path.exists():
        return Manifest(space.name)
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.MsgspecError as error:
        raise UsageError(f"{path} cannot be read", why=str(error), hint="name another folder") from error
    if found.space != space.name or found.format != 1:
        why = f"it is of the space {found.space}, in format {found.format}"
        raise UsageError(f"{place} holds another archive", why=why, hint="name another folder")
    return found


class _Shape(msgspec.Struct):
    """A collection's key, and the kinds of its columns."""

    key: tuple[str, ...]
    kinds: dict[str, ColumnKind]


async def _shapes(
    space: Space, columns: dict[str, tuple[str, ...]], manifest: Manifest, names: Sequence[str]
) -> dict[str, _Shape]:
    """The shapes as the archive has them so far; what is new to it as the peers' tables have it."""
    found: dict[str, _Shape] = {}
    for name in (name for name in names if columns.get(name)):
        kept = manifest.collections.get(name, Kept(0, 0))
        found[name] = _Shape(tuple(kept.key), {one: ColumnKind(kind) for one, kind in kept.columns.items()})
    if all(set(columns[name]) <= set(shape.kinds) for name, shape in found.items()):
        return found
    asked = await ask(space)
    try:
        plan, _ = build_plan(space, asked, columns)
    finally:
        await dismiss(asked)
    for name, shape in found.items():
        planned = plan.collections.get(name)
        if planned is None:
            why = "; ".join(f"{peer}: {error.what}" for peer, error in asked.failed.items())
            raise PeerUnreachable(f"no peer tells the types of {name}", why=why, hint="bring one back", collection=name)
        told = dict(zip(planned.columns, planned.kinds, strict=True))
        shape.key = shape.key or planned.key
        shape.kinds = {one: shape.kinds.get(one) or told.get(one, ColumnKind.ANY) for one in columns[name]}
    return found


async def _write(work: Sequence["_Work"], reader: SqliteReader, place: Path, manifest: Manifest) -> int:
    """Read the log once, for all collections."""
    start, rows = min((one.kept.upto for one in work), default=reader.head), 0
    columns = await columns_at(reader, start)
    for one in work:
        one.columns = columns.get(one.name, ())
    try:
        async for entries in reader.read(start):
            for entry in entries:
                for one in work:
                    if entry.offset > one.kept.upto:
                        rows += one.take(entry)
                        if one.is_full:
                            one.close(entry.offset)
                            write_manifest(place, manifest)
        for one in work:
            one.close(max(one.kept.upto, reader.head))
        write_manifest(place, manifest)
    finally:
        for one in work:
            one.drop()
    return rows


def write_manifest(place: Path, manifest: Manifest) -> None:
    """Replace the manifest in one step."""
    fresh = place / f"{MANIFEST}.{secrets.token_hex(4)}.part"
    with fresh.open("wb") as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(fresh, place / MANIFEST)
    _sync(place)


class _Work:
    """The archive of one collection, while it is written."""

    def __init__(
        self,
        module: Any,
        place: Path,
        name: str,
        manifest: Manifest,
        shape: _Shape,
        reader: SqliteReader,
        since: Offset | None,
    ) -> None:
        self._arrow, self._place, self.name, self._shape = module, place, name, shape
        self.columns: tuple[str, ...] = ()
        self._folder = place / f"collection={quote(name, safe='')}"
        self.kept = _kept(place, name, manifest, reader, since)
        self.kept.key, self.kept.columns = list(shape.key), {one: kind.value for one, kind in shape.kinds.items()}
        self.made: list[str] = []
        self._part: Any = None  # of module Log, while one is open
        self._path = self._folder
        self._first = self._rows = 0
        self._last: Entry | None = None  # that was read

    async def mark(self, reader: SqliteReader) -> None:
        """Mark where this run goes on, if the log still has that entry: older archives have no mark, gaps move it."""
        if self.kept.ended is None or self.kept.ended.offset < self.kept.upto:
            self.kept.ended = await _mark_at(reader, self.kept.upto) or self.kept.ended

    def clear(self) -> None:
        """Remove what a crash left: parts that were not finished, or that the manifest was not told of."""
        known = {one.path for one in self.kept.files}
        for path in [*self._folder.glob("part-*.parquet"), *self._folder.glob("part-*.parquet.part")]:
            if str(path.relative_to(self._place)) not in known:
                path.unlink()

    @property
    def is_full(self) -> bool:
        """Whether the part that is being written should end here."""
        return self._rows >= ARCHIVE_PART_ROWS_MAX

    def take(self, entry: Entry) -> int:
        """Write the entry's changes of this collection; how many. Other columns begin another part."""
        if entry.kind is Kind.SCHEMA:
            columns = tuple((entry.body or {}).get(self.name, self.columns))
            if columns != self.columns:
                self.close(entry.offset - 1)
                self.columns = columns
        self._last = entry
        self.kept.began = self.kept.began or _mark_of(entry)
        if not entry.is_data:
            return 0
        count = 0
        for place, change, time in _changes(entry, self.name):
            if self._part is None:
                self._open(entry.offset)
            self._part.add(entry, place, change, time)
            count += 1
        self._rows += count
        return count

    def _open(self, first: Offset) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path = self._folder / f"part-{first:012d}-{secrets.token_hex(4)}.parquet.part"
        kinds = {name: self._shape.kinds.get(name, ColumnKind.ANY) for name in (*self.columns, *self._shape.key)}
        self._part = self._arrow.Log(self._path, self.columns, self._shape.key, kinds, ARCHIVE_GROUP_ROWS)
        self._first = first

    def close(self, upto: Offset) -> None:
        """End the part, if there is one; the archive has everything up to `upto`."""
        if self._part is not None:
            last = self._part.close()
            path = self._folder / f"part-{self._first:012d}-{last:012d}.parquet"
            os.replace(self._path, path)
            _sync(self._folder)
            name = str(path.relative_to(self._place))
            self.kept.files.append(File(name, _sum(path), path.stat().st_size, self._rows, self._first, last))
            self.made.append(name)
            self._part, self._rows = None, 0
        if self._last is not None:
            self.kept.ended = _mark_of(self._last)
        self.kept.upto = max(self.kept.upto, upto)

    def drop(self) -> None:
        """Give up what is not finished."""
        if self._part is not None:
            self._part.close()
            self._path.unlink(missing_ok=True)


def _kept(place: Path, name: str, manifest: Manifest, reader: SqliteReader, since: Offset | None) -> Kept:
    """What there is of a collection; where it goes on, or begins. Raises UsageError where entries would be missing."""
    kept = manifest.collections.get(name)
    if kept is None:
        begin = reader.floor if since is None else since
        require_within(reader, begin)
        manifest.collections[name] = Kept(begin, begin)
        return manifest.collections[name]
    for file in kept.files:
        path = place / file.path
        if not path.is_file() or path.stat().st_size != file.bytes:
            why = f"the manifest has it with {file.bytes:,} bytes"
            hint = f"see what else changed: 'syncline archive {place} --verify'; bring the file back, or name another folder"
            raise UsageError(f"{path} is {'not what was written' if path.is_file() else 'not there'}", why=why, hint=hint)
    if kept.upto > reader.head:
        why = f"it has {name} up to {kept.upto}, and the log ends at {reader.head}"
        raise UsageError("this archive is of another log", why=why, hint="name another folder")
    if since is not None and since != kept.upto and not (since >= reader.floor > kept.upto):
        hint = f"leave --from out, or name another folder to archive {name} from {since} on"
        raise UsageError(f"this archive goes on after {kept.upto}", hint=hint, collection=name)
    if kept.upto < reader.floor:
        if since is None:
            why = f"the archive has {name} up to {kept.upto}, and the log was trimmed up to {reader.floor} meanwhile"
            hint = f"if you know that it is this log, go on with a gap: --from {reader.floor}; if not, name another folder"
            raise UsageError("entries are missing between the archive and the log", why=why, hint=hint, collection=name)
        kept.gaps.append((kept.upto, since))
        kept.upto = since
    return kept


async def _require_same_log(place: Path, manifest: Manifest, reader: SqliteReader, since: Offset | None) -> None:
    """Raise UsageError unless the log has the entries that were archived from it, as far as it still has them.

    One that was trimmed away tells nothing; where all were, only a person who says where to go on can know that it is this log.
    """
    marks = {mark for kept in manifest.collections.values() for mark in (kept.began, kept.ended) if mark is not None}
    checked = [mark for mark in marks if mark.offset > reader.floor]
    for mark in checked:
        if await _mark_at(reader, mark.offset) != mark:
            why = f"entry {mark.offset} is not the one that was archived: the log was begun anew, or comes from a backup"
            raise UsageError(f"{place} is the archive of another log", why=why, hint="name another folder, which begins anew")
    if marks and not checked and since is None:
        why = f"the log was trimmed up to {reader.floor}, and the archive ends at {max(mark.offset for mark in marks)}"
        hint = f"name another folder, which begins anew; if you know that it is this log: --from {reader.floor}"
        raise UsageError(f"whether {place} is an archive of this log cannot be checked", why=why, hint=hint)


async def _mark_at(reader: SqliteReader, offset: Offset) -> Mark | None:
    """The mark of the entry at an offset; None if the log has none there, or no more."""
    if not reader.floor < offset <= reader.head:
        return None
    async with closing(reader.read(offset - 1, offset)) as frames:
        async for entries in frames:
            return _mark_of(entries[0])
    return None


def _mark_of(entry: Entry) -> Mark:
    return Mark(entry.offset, entry.fingerprint)


def _changes(entry: Entry, collection: str) -> Iterator[tuple[int, Change, Micros]]:
    """The entry's changes of a collection: place, change, and when it was made."""
    start = 0
    for block in entry.blocks:
        if block.collection == collection:
            for place in range(block.count):
                yield start + place, change_of(block, place), block.time(place, entry.time)
        start += block.count
    for place, change in () if entry.blocks else enumerate(entry.changes):
        if change.collection == collection:
            yield place, change, (change.verdict.time if change.verdict else 0) or entry.time


def _sum(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_READ_BYTES):
            found.update(piece)
    return found.hexdigest()


def _sync(folder: Path) -> None:
    """Have the folder's names on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
