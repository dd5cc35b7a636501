"""The assembler: what was received at once is given out as one where that is the same, and taken apart it is what it was."""

from collections.abc import Sequence
from itertools import accumulate
from typing import TypeAlias

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.peers.postgres.made import (
    FOREIGN,
    ITEMS,
    NOTES,
    START,
    STEP,
    UNCHANGED,
    Server,
    assembler,
    deleted,
    fed,
    inserted,
    marked,
    relation,
    truncated,
    unix,
    updated,
)

from syncline.model.change import Change, Refusal, Transaction
from syncline.model.errors import PeerChanged
from syncline.model.stamp import Position
from syncline.model.value import Tagged
from syncline.peers.postgres import assemble
from syncline.peers.postgres.assemble import BLOCK_ROWS_MIN, GROUP_MIN, Seen

Told: TypeAlias = tuple[Position, int, int, tuple[Change, ...]]
MANY = GROUP_MIN + 2


def item(key: int, name: bytes = b"a", price: bytes = b"1.50") -> list[bytes]:
    """A row of items."""
    return [str(key).encode(), name, price]


def told(found: Sequence[Seen]) -> list[Told]:
    """Every transaction that was given out, groups taken apart; those without changes left out."""
    single = [one for seen in found for one in taken_apart(seen.transaction)]
    return [(one.position, one.context, one.time, tuple(one.changes)) for one in single if one.changes]


def taken_apart(one: Transaction) -> Sequence[Transaction]:
    """A group's transactions, or a transaction as it is."""
    return [one] if one.split is None else one.split()


def timed(found: Sequence[Seen]) -> dict[tuple[str, tuple[object, ...]], list[tuple[int, Change]]]:
    """By row: its changes in order, each with its time, without taking groups apart."""
    rows: dict[tuple[str, tuple[object, ...]], list[tuple[int, Change]]] = {}
    for seen in found:
        one = seen.transaction
        times = [block.time(place, one.time) for block in one.blocks for place in range(block.count)]
        for time, change in zip(times or [one.time] * len(one.changes), one.changes, strict=True):
            rows.setdefault((change.collection, change.key), []).append((time, change))
    return rows


def groups(found: Sequence[Seen]) -> list[int]:
    """The sizes of what was given out as one."""
    return [len(seen.parts) for seen in found if seen.parts]


def test_small_transactions_that_were_received_at_once_are_given_out_as_one() -> None:
    server = Server()
    messages = [one for key in range(MANY) for one in server.commit(inserted(ITEMS, item(key)), after=key)]
    (seen,) = fed(assembler(), messages)
    made = seen.transaction
    assert (made.position.major, made.time, made.context) == (server.end, unix(server.time), 3)
    assert [len(block.keys) for block in made.blocks] == [MANY]
    assert list(seen.parts) == [(n + 1, START + STEP * (n + 1)) for n in range(MANY)]
    assert seen.xid == MANY
    assert told([seen]) == told(fed(assembler(alone=True), messages))
    assert timed([seen]) == timed(fed(assembler(alone=True), messages))
    assert not fed(assembler(), []), "nothing waits"


def test_a_few_transactions_are_given_out_one_by_one() -> None:
    server = Server()
    messages = [one for key in range(GROUP_MIN - 1) for one in server.commit(inserted(ITEMS, item(key)))]
    found = fed(assembler(), messages)
    assert len(found) == GROUP_MIN - 1
    assert not groups(found)


def test_whoever_asks_for_a_place_in_between_gets_each_transaction_alone() -> None:
    server = Server()
    messages = [one for key in range(MANY) for one in server.commit(inserted(ITEMS, item(key)))]
    found = fed(assembler(alone=True), messages)
    assert [seen.transaction.position.major for seen in found] == [START + STEP * (n + 1) for n in range(MANY)]
    assert not groups(found)


@pytest.mark.parametrize("offset", [-1, 0, 1, STEP - 1, STEP])
def test_a_group_never_reaches_beyond_a_place_that_somebody_asked_for(offset: int) -> None:
    server = Server()
    messages = [one for key in range(3 * MANY) for one in server.commit(inserted(ITEMS, item(key)))]
    asked = START + STEP * MANY + offset
    found = fed(assembler(asked=[asked]), messages)
    last = MANY - (offset < 0) + (offset == STEP)
    assert groups(found) == [last, 3 * MANY - last]
    assert not any(beyond(seen, asked) for seen in found)


def test_a_place_that_somebody_asks_for_while_a_group_is_given_out_counts_for_the_next() -> None:
    server, made = Server(), assembler(asked=[START + STEP * (MANY + 1)])
    messages = [one for key in range(MANY) for one in server.commit(inserted(ITEMS, item(key)))]
    messages += server.commit(b"Y", inserted(ITEMS, item(MANY)))  # apart from the others, which are looked at at once
    messages += [one for key in range(9 * MANY) for one in server.commit(inserted(ITEMS, item(100 + key)))]
    found, late = [], START + STEP * 3 * MANY
    for seen in made.feed(messages):
        made._asked.add(Position(late))
        found.append(seen)
    found += made.flush()
    assert groups(found)[0] == MANY + 1
    assert not any(beyond(seen, late) for seen in found)


def beyond(seen: Seen, asked: int) -> bool:
    """Whether a place is inside a group: some of it is before or at the place, and some after."""
    return bool(seen.parts) and seen.parts[0][1] <= asked < seen.parts[-1][1]


def test_a_transaction_of_ours_is_a_border() -> None:
    server = Server()
    refusals = (Refusal("items", (1,), "23505", "it is there already"),)
    before = [one for key in range(MANY) for one in server.commit(inserted(ITEMS, item(key)))]
    at = server.end + STEP
    ours = server.commit(marked(9, msgspec.msgpack.encode(refusals)), inserted(ITEMS, item(99)))
    after = [one for key in range(MANY, 2 * MANY) for one in server.commit(inserted(ITEMS, item(key)))]
    first, own, second = fed(assembler(), [*before, *ours, *after])
    assert (len(first.parts), len(own.parts), len(second.parts)) == (MANY, 0, MANY)
    assert [one.transaction.context for one in (first, own, second)] == [3, 9, 9]
    assert (own.transaction.refused, own.transaction.position.major, own.transaction.changes) == (refusals, at, ())
    assert {one.context for one in taken_apart(first.transaction)} == {3}, "also when it is asked late"
    assert 99 not in [key[0] for seen in (first, second) for key in seen.transaction.blocks[0].keys]


def test_a_large_transaction_is_given_out_by_columns() -> None:
    server = Server()
    rows = [inserted(ITEMS, item(key, str(key).encode())) for key in range(BLOCK_ROWS_MIN)]
    (seen,) = fed(assembler(), server.commit(*rows))
    assert seen.transaction.blocks
    assert seen.transaction.split is None
    assert [change.after for change in seen.transaction.changes][:1] == [(0, "0", Tagged("real", "1.5"))]
    (small,) = fed(assembler(), Server().commit(*rows[1:]))
    assert not small.transaction.blocks


def test_what_is_cut_follows_what_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assemble, "TRANSACTION_ROWS_MAX", 30)
    monkeypatch.setattr(assemble, "PART_ROWS", 10)
    server = Server()
    small = [one for key in range(MANY) for one in server.commit(inserted(ITEMS, item(key)))]
    large = server.commit(*[inserted(ITEMS, item(key)) for key in range(100, 145)])
    found = fed(assembler(), [*small, *large])
    assert [(seen.transaction.position.major, seen.transaction.position.minor) for seen in found] == [
        (START + MANY * STEP, 0), *[(server.end - 50, part) for part in (1, 2, 3, 4)], (server.end, 0),
    ]  # fmt: skip
    assert groups(found) == [MANY]
    assert [len(seen.transaction.changes) for seen in found] == [MANY, 10, 10, 10, 10, 5]
    again = fed(assembler(after=START + MANY * STEP), [*small, *large])
    assert told(again) == told(found[1:]), "a restart cuts it in the same way, and has what was before"
    rest = assembler()
    rest._after = Position(server.end - 50, 2)
    assert told(fed(rest, large)) == told(found[3:])


def test_a_table_that_looks_different_from_here_on_is_a_border() -> None:
    server = Server()
    before = [one for key in range(MANY) for one in server.commit(inserted(ITEMS, item(key)))]
    turned = relation(ITEMS, (("price", 1700), ("new", 25), ("name", 25), ("id", 23)))
    new = [inserted(ITEMS, [b"7.50", b"?", b"b", str(key).encode()]) for key in range(MANY, 2 * MANY)]
    after = [one for message in new for one in server.commit(message)]
    first, second = fed(assembler(), [*before, turned, *after])
    assert (len(first.parts), len(second.parts)) == (MANY, MANY)
    for seen, name in ((first, "a"), (second, "b")):
        assert {change.after[1] for one in told([seen]) for change in one[3] if change.after} == {name}
        assert {change.after[1] for change in seen.transaction.changes if change.after} == {name}


def test_a_table_that_looks_different_within_a_transaction() -> None:
    server = Server()
    before = [one for key in range(MANY) for one in server.commit(inserted(ITEMS, item(key)))]
    turned = relation(ITEMS, (("price", 1700), ("name", 25), ("id", 23)))
    inside = server.commit(inserted(ITEMS, item(50)), turned, inserted(ITEMS, [b"2.5", b"b", b"51"]))
    first, second = fed(assembler(), [*before, *inside])
    assert (len(first.parts), second.parts) == (MANY, ())
    assert [change.key for change in second.transaction.changes] == [(50,), (51,)]
    assert not second.transaction.blocks


def test_d38_a_truncate_is_damage_after_everything_before_it() -> None:
    server = Server()
    before = [one for key in range(MANY) for one in server.commit(inserted(ITEMS, item(key)))]
    begin, row, _ = server.commit(inserted(ITEMS, item(99)))
    assembling = assembler()
    found = [seen for message in (*before, begin, row, truncated(NOTES)) for seen in assembling.feed([message])]
    assert isinstance(assembling.damage, PeerChanged)
    assert not found
    (seen,) = assembling.flush()
    assert len(seen.parts) == MANY
    assert assembler().damage is None
    unharmed = assembler()
    fed(unharmed, server.commit(truncated(FOREIGN)))
    assert unharmed.damage is None


def test_tables_that_are_not_captured_leave_no_trace() -> None:
    server = Server()
    mixed = [inserted(FOREIGN, [b"1"]), deleted(FOREIGN, [b"2"])]
    messages: list[bytes] = []
    for key in range(MANY):
        messages += server.commit(*mixed, *([inserted(ITEMS, item(key))] if key % 2 else []))
    (seen,) = fed(assembler(), messages)
    assert len(seen.parts) == MANY, "snapshots ask for each of them"
    assert taken_apart(seen.transaction)[-1].position.major == server.end
    assert told([seen]) == told(fed(assembler(alone=True), messages))
    assert not fed(assembler(), [one for _ in range(MANY) for one in server.commit(*mixed)])


def test_d35_changes_of_key_and_rows_changed_in_several_ways_are_given_out_one_by_one() -> None:
    for last in (updated(ITEMS, item(1), item(77)), deleted(ITEMS, item(1))):
        server = Server()
        messages = [one for key in range(MANY) for one in server.commit(inserted(ITEMS, item(key)))]
        found = fed(assembler(), [*messages, *server.commit(last)])
        assert len(found) == MANY + 1
        assert (
            told(found) == told(fed(assembler(alone=True), [*messages, *server.commit()][: len(messages)])) + told(found)[-1:]
        )


def test_what_was_given_out_before_a_restart_is_not_given_out_again() -> None:
    server = Server()
    messages = [one for key in range(2 * MANY) for one in server.commit(inserted(ITEMS, item(key)))]
    (seen,) = fed(assembler(after=START + STEP * MANY), messages)
    assert [end for _, end in seen.parts] == [START + STEP * (n + 1) for n in range(MANY, 2 * MANY)]


def test_d29_a_value_that_was_not_sent_is_what_it_was() -> None:
    server = Server()
    large = b"x" * 10_000
    messages: list[bytes] = []
    for key in range(MANY):
        messages += server.commit(updated(ITEMS, item(key, large), [str(key).encode(), UNCHANGED, b"2.5"]))
    (seen,) = fed(assembler(), messages)
    (block,) = seen.transaction.blocks
    assert block.differs == (2,)
    assert {change.after[1] for change in seen.transaction.changes if change.after} == {large.decode()}


def test_a_number_that_is_written_anew_is_no_change() -> None:
    server = Server()
    messages: list[bytes] = []
    for key in range(MANY):
        messages += server.commit(updated(ITEMS, item(key, price=b"1.50"), item(key, b"b" if key % 2 else b"a", b"1.500")))
    (seen,) = fed(assembler(), messages)
    assert [block.differs for block in seen.transaction.blocks] == [(1,)]
    assert told([seen]) == told(fed(assembler(alone=True), messages))


NAMES = st.sampled_from([b"a", b"b", b"", b"a\\0b", None])
PRICES = st.sampled_from([b"1.5", b"1.50", b"2", b"Infinity", b"NaN", None])
KEYS = st.integers(1, 30)
AFTER = st.sampled_from([0, 1, 10, -7, 1000])


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[list[bytes]], int]:
    """Transactions on items and notes as a real table would have them, some of ours in between; and where history ends."""
    server, rows = Server(), dict[int, list[bytes | None]]()
    made = []
    for _ in range(draw(st.integers(1, 40))):
        if draw(st.integers(0, 20)) == 0:
            echo = [inserted(ITEMS, item(key)) for key in range(draw(st.integers(0, 6)))]
            refused = [msgspec.msgpack.encode((Refusal("items", (draw(KEYS),), "x", "y"),))] if draw(st.booleans()) else []
            made.append(server.commit(marked(server.end), *echo, *[marked(server.end, one) for one in refused]))
            continue
        messages = []
        for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
            key = draw(KEYS)
            number, old = str(key).encode(), rows.get(key)
            new: list[bytes | None] = [number, draw(NAMES), draw(PRICES)]
            if old is None:
                messages.append(inserted(ITEMS, new))
            elif draw(st.integers(0, 5)) == 0:
                messages.append(deleted(ITEMS, old))
            else:
                new = [number, *[draw(st.sampled_from([was, now])) for was, now in zip(old[1:], new[1:], strict=True)]]
                messages.append(updated(ITEMS, old, new))
            rows[key] = new
            if messages[-1][:1] == b"D":
                del rows[key]
            if draw(st.integers(0, 9)) == 0:
                messages.append(inserted(NOTES, [b"text", str(server.end).encode()]))
        made.append(server.commit(*messages, after=draw(AFTER)))
    return made, server.end


def test_f32_what_we_could_not_write_is_known_from_the_last_watermark_of_its_transaction() -> None:
    refusals = (Refusal("items", (7,), "rounded", "price"),)
    rows = [inserted(ITEMS, item(key)) for key in range(100)]
    messages = Server().commit(marked(5), *rows, marked(5, msgspec.msgpack.encode(refusals)))
    (seen,) = fed(assembler(), messages)
    assert (seen.transaction.context, seen.transaction.refused, len(seen.transaction.changes)) == (5, refusals, 0)


@settings(max_examples=150, deadline=None)
@given(histories(), st.data())
def test_however_it_is_received_it_is_the_same_history(history: tuple[list[list[bytes]], int], data: st.DataObject) -> None:
    transactions, end = history
    asked = data.draw(st.lists(st.integers(START, end), max_size=3))
    messages = [message for one in transactions for message in one]
    starts = set(accumulate(map(len, transactions), initial=0))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(messages)), max_size=4)))
    found: list[Seen] = []
    assembling = assembler(asked=asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assemble, "MANY", data.draw(st.sampled_from([2, 40])))
        patch.setattr(assemble, "REST_MAX", data.draw(st.sampled_from([0, 2, 2_000])))
        patch.setattr(assemble, "INGEST_ROWS_MAX", data.draw(st.sampled_from([5, 5_000])))
        for first, last in zip([0, *cuts], [*cuts, len(messages)], strict=True):
            found += fed(assembling, messages[first:last])
            assert assembling.inside == (last not in starts)
    singles = fed(assembler(alone=True), messages)
    assert told(found) == told(singles)
    assert timed(found) == timed(singles)
    assert [one.transaction.context for one in found if not one.transaction.changes] == [
        one.transaction.context for one in singles if not one.transaction.changes
    ]
    assert [one.transaction.refused for one in found if not one.transaction.changes] == [
        one.transaction.refused for one in singles if not one.transaction.changes
    ]
    assert not any(beyond(seen, place) for seen in found for place in asked)
    assert [end for seen in found for _, end in (seen.parts or ((seen.xid, seen.end),)) if end] == sorted(
        end for seen in found for _, end in (seen.parts or ((seen.xid, seen.end),))
    )
