"""The plan of a repair: which rows, in which direction, by which policy; as data that can be kept and carried out later."""

import binascii
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from syncline.compare.repair import Does, Outcome, RepairPolicy, read_policy
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
_DOES: Final = {Does.INSERT: "insert", Does.UPDATE: "update", Does.DELETE: "delete"}


class Planned(msgspec.Struct, frozen=True):
    """One row of a plan, and what kind of difference it is."""

    outcome: Outcome
    kind: str


class Rough(msgspec.Struct):
    """One collection of a plan. `found`: rows that differ, however many of them are planned; `rows`: how many each peer has."""

    collection: Collection
    planned: list[Planned] = []
    found: int = 0
    rows: dict[str, int] = {}

    def deletes(self) -> Counter[str]:
        """How many deletes each peer is sent, also of rows that it lacks: so its brake counts them."""
        gone = [one.outcome for one in self.planned]
        everyone = sum(not sent.to and sent.change.after is None for one in gone for sent in one.sent)
        alone = Counter(sent.to for one in gone for sent in one.sent if sent.to and sent.change.after is None)
        return Counter({peer: everyone + alone[peer] for peer in self.rows})

    def steps(self) -> dict[str, Counter[str]]:
        """How many rows each peer will insert, update and delete."""
        counts: dict[str, Counter[str]] = {peer: Counter() for peer in self.rows}
        for one in self.planned:
            for peer, step in one.outcome.steps(self.collection.columns).items():
                if step.does is not Does.NOTHING:
                    counts.setdefault(peer, Counter())[step.does.value] += 1
        return counts


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

    def wanted(self) -> dict[str, dict[Key, Mark]]:
        """The rows as a carrier takes them."""
        return {part.collection.name: {one.outcome.key: mark_of(one.outcome) for one in part.planned} for part in self.parts}

    def report(self) -> Report:
        """The plan for people and programs, and to be saved: every row, the first ones field by field."""
        told: Report = {"plan": VERSION, "policy": self.policy.text, "head": self.head, "rows": self.rows, "found": self.found}
        told |= {"undoes": self.undoes} if self.undoes else {}
        told["collections"] = {part.collection.name: _part_report(part) for part in self.parts if part.planned}
        told["repairs"] = [row for part in self.parts for row in _rows(part)]
        told["left"] = [left_report(one) for one in self.left]
        return told | {"not_compared": list(self.absent), "why_not_compared": dict(self.absent)}


def left_report(one: Left) -> Report:
    """A row that is left as it is; whether nothing is to be done about it."""
    return {"collection": one.collection, "key": key_list(one.key), "why": one.why, "idle": one.idle}


def _part_report(part: Rough) -> Report:
    peers = {peer: {word: counts[does.value] for does, word in _DOES.items()} for peer, counts in part.steps().items()}
    classes = Counter(one.kind for one in part.planned)
    return {"rows": len(part.planned), "found": part.found, "classes": dict(classes), "peers": peers}


def _rows(part: Rough) -> Iterator[Report]:
    room = REPAIR_SHOWN_BYTES_MAX
    for place, one in enumerate(part.planned):
        outcome, columns = one.outcome, part.collection.columns
        images = [row for row in (*outcome.stood.values(), *outcome.after.values()) if row is not None]
        room -= sum(len(encode_row(row)) for row in images) if place < REPAIR_SHOWN_MAX else 0
        whole = place < REPAIR_SHOWN_MAX and room >= 0
        mark = mark_of(outcome)
        told: Report = {"collection": part.collection.name, "key": key_list(outcome.key), "class": one.kind}
        told["peers"] = {
            peer: {"does": step.does.value} | (_values(outcome, peer, step.fields, columns) if whole else {})
            for peer, step in outcome.steps(columns).items()
        }
        yield told | {"exact": encode_row(outcome.key).hex(), "stood": mark.stood, "after": mark.after}


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
    """A report whose plan lists no more rows than fit into so many bytes of JSON: all of them, or the first ones."""
    plan = report["plan"]
    rows = plan["repairs"]
    if len(msgspec.json.encode(rows)) <= size:
        return report
    listed = {"repairs": rows[:REPAIR_SHOWN_MAX], "repairs_not_listed": len(rows[REPAIR_SHOWN_MAX:])}
    return report | {"plan": plan | listed}


class Saved(msgspec.Struct, frozen=True):
    """A plan that was kept: the policy, or the repair to undo, the log's end then, and the rows by what they are known."""

    policy: RepairPolicy
    undoes: Offset
    head: Offset
    wanted: dict[str, dict[Key, Mark]]


def read_plan(data: Mapping[str, Any]) -> Saved:
    """A saved plan. Raises UsageError for something else."""
    hint = "make one: syncline repair --out plan.json"
    try:
        if data["plan"] != VERSION:
            raise UsageError(f"a plan of version {data['plan']!r} cannot be read", hint=hint)
        if data.get("repairs_not_listed"):
            raise UsageError("this plan is not whole", hint="name collections, or carry it out at once, with --yes")
        policy = read_policy(str(data["policy"]))
        if policy is None:
            raise UsageError(f"{data['policy']!r} is no policy", hint=hint)
        wanted: dict[str, dict[Key, Mark]] = {}
        for row in data["repairs"]:
            key = decode_row(bytes.fromhex(row["exact"]))
            wanted.setdefault(str(row["collection"]), {})[key] = Mark(str(row["stood"]), str(row["after"]))
        return Saved(policy, int(data.get("undoes", 0)), int(data.get("head", 0)), wanted)
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error, CodecError) as error:
        raise UsageError("this is not a plan of a repair", why=f"{type(error).__name__}: {error}", hint=hint) from error
