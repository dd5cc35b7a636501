"""The plan of a repair: which rows, in which direction, by which policy; as data that can be kept and carried out later."""

import binascii
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from syncline.compare.repair import Does, Outcome, RepairPolicy, Step, read_policy
from syncline.hub.records import key_list
from syncline.hub.repairing import Left, Mark, mark_of
from syncline.model.codec import decode_row, encode_row
from syncline.model.errors import CodecError, GuardTripped, SynclineError, UsageError
from syncline.model.limits import REPAIR_SHOWN_BYTES_MAX, REPAIR_SHOWN_MAX
from syncline.model.schema import Collection
from syncline.model.space import Settings
from syncline.model.stamp import Offset
from syncline.model.value import Key, Row, Value, pad, plain
from syncline.model.words import counted

Report = dict[str, Any]
VERSION: Final = 1
Steps = tuple[tuple[str, Step], ...]  # what each peer will do
_CARRIED: Final = ("plan", "policy", "undoes", "head", "repairs_not_listed", "marks")
_DOES: Final = {Does.INSERT: "insert", Does.UPDATE: "update", Does.DELETE: "delete"}


class Planned(msgspec.Struct, frozen=True, gc=False):
    """One row of a plan: its mark, what kind of difference it is, and what each peer will do. Its values are not held."""

    key: Key
    kind: str
    mark: Mark
    steps: Steps


class Rough(msgspec.Struct):
    """One collection of a plan. `found`: rows that differ, however many of them are planned; `rows`: how many each peer has.

    `shown`: the first rows, with their values. What is planned for very many rows takes little memory: no row is in it.
    """

    collection: Collection
    found: int = 0
    rows: dict[str, int] = {}
    planned: list[Planned] = []
    shown: list[Outcome] = []
    classes: Counter[str] = msgspec.field(default_factory=Counter)
    _forms: dict[Steps, Steps] = {}
    _does: Counter[tuple[str, Does]] = msgspec.field(default_factory=Counter)
    _gone: Counter[str] = msgspec.field(default_factory=Counter)  # deletes that are sent to a peer, to everyone for ''

    def add(self, outcome: Outcome, kind: str) -> None:
        """Plan one row."""
        steps = tuple(outcome.steps(self.collection.columns).items())
        steps = self._forms.setdefault(steps, steps)
        self.planned.append(Planned(outcome.key, kind, mark_of(outcome), steps))
        if len(self.shown) < REPAIR_SHOWN_MAX:
            self.shown.append(outcome)
        self.classes[kind] += 1
        for peer, step in steps:
            self._does[peer, step.does] += 1
        for sent in outcome.sent:
            if sent.change.after is None:
                self._gone[sent.to] += 1

    def wanted(self) -> dict[Key, Mark]:
        """The rows as a carrier takes them."""
        return {one.key: one.mark for one in self.planned}

    def deletes(self) -> Counter[str]:
        """How many deletes each peer is sent, also of rows that it lacks: so its brake counts them."""
        return Counter({peer: self._gone[""] + self._gone[peer] for peer in self.rows})

    def steps(self) -> dict[str, dict[str, int]]:
        """How many rows each peer will insert, update and delete."""
        peers = [*self.rows, *(peer for peer, _ in self._does if peer not in self.rows)]
        return {peer: {word: self._does[peer, does] for does, word in _DOES.items()} for peer in peers}


class RepairPlan(msgspec.Struct):
    """What a repair would do, made when the log was at `head`. `undoes`: the repair that it takes back, 0 if none."""

    policy: RepairPolicy
    head: Offset
    parts: list[Rough] = []
    left: list[Left] = []
    undoes: Offset = 0
    absent: dict[str, str] = {}  # who was not compared, and why

    @property
    def rows(self) -> int:
        """How many rows are planned."""
        return sum(len(part.planned) for part in self.parts)

    @property
    def found(self) -> int:
        """How many rows differ."""
        return sum(part.found for part in self.parts)

    @property
    def words(self) -> str:
        """How it decides, in words."""
        return f"undo {self.undoes}" if self.undoes else self.policy.text

    def over(self, settings: Settings) -> list[tuple[str, str, int, int]]:
        """Peers and collections where more would be deleted than the brake lets pass, with deletes and rows."""
        found = []
        for part in self.parts:
            for peer, deletes in part.deletes().items():
                rows = part.rows[peer]
                if deletes >= settings.guard_delete_rows and deletes > rows * settings.guard_delete_share:
                    found.append((peer, part.collection.name, deletes, rows))
        return found

    def refusals(self, settings: Settings, rows_max: int, *, approved: bool) -> list[SynclineError]:
        """Why it would not be carried out as it is."""
        found: list[SynclineError] = []
        if max(self.rows, self.found) > rows_max:
            what = f"{counted(max(self.rows, self.found), 'row')} would be repaired"
            hint = "find out why so many differ, then say --max N, or name collections"
            found.append(GuardTripped(what, why=f"more than {rows_max:,} at once", hint=hint))
        for peer, name, deletes, rows in [] if approved else self.over(settings):
            what = f"{counted(deletes, 'delete')} would hit {counted(rows, 'row')}"
            why = f"more than {settings.guard_delete_share:.0%} of the collection"
            hint = "look at the plan; if it is meant, add --approve; '--policy upsert:PEER' and 'insert' delete nothing"
            found.append(GuardTripped(what, why=why, hint=hint, peer=peer, collection=name))
        return found

    def report(self, *, whole: bool = True) -> Report:
        """The plan for people and programs, and to be saved: every row, the first ones field by field.

        Unless `whole`, no more rows than are told field by field.
        """
        told: Report = {"plan": VERSION, "policy": self.words, "head": self.head, "rows": self.rows, "found": self.found}
        told |= {"undoes": self.undoes} if self.undoes else {}
        told["collections"] = {part.collection.name: _part_report(part) for part in self.parts if part.planned}
        told["repairs"] = [row for part in self.parts for row in _rows(part, whole=whole)]
        more = self.rows - len(told["repairs"])
        told |= {"repairs_not_listed": more} if more else {}
        told["left"] = [left_report(one) for one in self.left]
        return told | {"not_compared": list(self.absent), "why_not_compared": dict(self.absent)}


def left_report(one: Left) -> Report:
    """A row that is left as it is; whether nothing is to be done about it."""
    return {"collection": one.collection, "key": key_list(one.key), "why": one.why, "idle": one.idle}


def _part_report(part: Rough) -> Report:
    return {"rows": len(part.planned), "found": part.found, "classes": dict(part.classes), "peers": part.steps()}


def _rows(part: Rough, *, whole: bool) -> Iterator[Report]:
    room, name, columns = REPAIR_SHOWN_BYTES_MAX, part.collection.name, part.collection.columns
    alike: dict[int, Report] = {}  # what peers do, without values: one object for all rows of which that is so
    for place, one in enumerate(part.planned if whole else part.planned[: len(part.shown)]):
        outcome = part.shown[place] if place < len(part.shown) else None
        if outcome is not None:
            images = [row for row in (*outcome.stood.values(), *outcome.after.values()) if row is not None]
            room -= sum(len(encode_row(row)) for row in images)
        if outcome is not None and room >= 0:
            peers = {peer: {"does": step.does.value} | _values(outcome, peer, step.fields, columns) for peer, step in one.steps}
        else:
            peers = alike.setdefault(id(one.steps), {peer: {"does": step.does.value} for peer, step in one.steps})
        told: Report = {"collection": name, "key": key_list(one.key), "class": one.kind, "peers": peers}
        yield told | {"exact": encode_row(one.key).hex(), "stood": one.mark.stood, "after": one.mark.after}


def _values(outcome: Outcome, peer: str, fields: Sequence[str], columns: Sequence[str]) -> Report:
    """What changes at a peer: fields from and to, or the row that comes or goes."""
    before, after = outcome.stood[peer], outcome.after[peer]
    if before == after:
        return {}
    if before is None or after is None:
        return {"row": {name: plain(value) for name, value in zip(columns, before or after or (), strict=False)}}
    places = [columns.index(name) for name in fields]
    return {"fields": {columns[at]: [plain(_at(before, at)), plain(_at(after, at))] for at in places}}


def _at(row: Row, place: int) -> Value:
    return pad(row, place + 1)[place]


def shortened(report: Report, size: int) -> Report:
    """A report that lists no more rows than fit into so many bytes of JSON: all of them, or the first ones.

    Of each list: the rows of the plan, those that it leaves, and those that were left when it was carried out. A plan whose
    rows are not all listed has `marks` of all, if these fit: so it can be kept and carried out all the same.
    """
    plan, done = report["plan"], report.get("done")
    told = _fitted(_fitted(plan, "left", size // 4), "repairs", size)
    if told["repairs"] is not plan["repairs"] and "repairs_not_listed" not in plan:
        marks = carried(plan)["marks"]
        told |= {"marks": marks} if len(msgspec.json.encode(marks)) <= size * 5 // 4 else {}
    report = report | {"plan": told}
    return report | {"done": _fitted(done, "left", size // 4)} if done else report


def _fitted(part: Report, name: str, size: int) -> Report:
    rows = part[name]
    if len(msgspec.json.encode(rows)) <= size:
        return part
    more = part.get(f"{name}_not_listed", 0) + len(rows[REPAIR_SHOWN_MAX:])
    return part | {name: rows[:REPAIR_SHOWN_MAX], f"{name}_not_listed": more}


class Saved(msgspec.Struct, frozen=True):
    """A plan that was kept: the policy, or the repair to undo, the log's end then, and the rows by what they are known."""

    policy: RepairPolicy
    undoes: Offset
    head: Offset
    wanted: dict[str, dict[Key, Mark]]


def carried(data: Mapping[str, Any]) -> Report:
    """Of a saved plan what it is carried out by: a third of it, so that it can be asked of a running hub.

    Raises KeyError, TypeError or AttributeError for something else.
    """
    if "marks" in data:
        return {name: value for name, value in data.items() if name in _CARRIED}
    marks: dict[str, list[tuple[str, str, str]]] = {}
    for row in data["repairs"]:
        marks.setdefault(row["collection"], []).append((row["exact"], row["stood"], row["after"]))
    return {name: value for name, value in data.items() if name in _CARRIED} | {"marks": marks}


def read_plan(data: Mapping[str, Any]) -> Saved:
    """A saved plan. Raises UsageError for something else."""
    hint = "make one: syncline repair --out plan.json"
    try:
        if data["plan"] != VERSION:
            raise UsageError(f"a plan of version {data['plan']!r} cannot be read", hint=hint)
        if data.get("repairs_not_listed") and "marks" not in data:
            raise UsageError("this plan is not whole", hint="name collections, or carry it out at once, with --yes")
        undoes = int(data.get("undoes", 0))
        policy = RepairPolicy() if undoes else read_policy(str(data["policy"]))
        if policy is None:
            raise UsageError(f"{data['policy']!r} is no policy", hint=hint)
        wanted: dict[str, dict[Key, Mark]] = {}
        for name, rows in carried(data)["marks"].items():
            marks = {decode_row(bytes.fromhex(exact)): Mark(str(stood), str(after)) for exact, stood, after in rows}
            wanted[str(name)] = marks
        return Saved(policy, undoes, int(data.get("head", 0)), wanted)
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error, CodecError) as error:
        raise UsageError("this is not a plan of a repair", why=f"{type(error).__name__}: {error}", hint=hint) from error
