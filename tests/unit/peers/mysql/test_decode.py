"""Rows from bytes made by hand: the schema of the event decides, and what does not fit is refused."""

from struct import pack

import pytest
from tests.unit.peers.mysql.made import BIGINT, INT, VARCHAR, event, rows, table_map

from syncline.model.change import Change
from syncline.model.errors import CodecError, PeerChanged
from syncline.model.value import Tagged
from syncline.peers.mysql import decode, events, tables
from syncline.peers.mysql.decode import Decoder
from syncline.peers.mysql.fields import inflate_column, shape_of
from syncline.peers.mysql.layout import Layout
from syncline.peers.mysql.tables import Field

COLUMNS = [("id", BIGINT), ("name", VARCHAR), ("n", INT)]
ITEMS = Layout("things", "items", ("id", "name", "n"), ("id",))


def _decoder(layout: Layout = ITEMS) -> Decoder:
    return Decoder("my", "shop", {layout.name: layout})


def _learn(decoder: Decoder, columns: list[tuple[str, int]] = COLUMNS, *, named: bool = True) -> None:
    decoder.table(event(events.TABLE_MAP, table_map("shop", "items", columns, named=named)))


def _changes(decoder: Decoder, kind: int, body: bytes) -> list[Change]:
    made = event(kind, body)
    relation = decoder.relation(made)
    assert relation is not None
    return decoder.changes([(relation, made)])


def test_rows_come_with_both_images_and_a_changed_key_is_a_move() -> None:
    decoder = _decoder()
    _learn(decoder)
    made = _changes(decoder, 23, rows(COLUMNS, [(1, "a", None), (2, None, -5), (3, "ö" * 40, 0)]))
    assert [change.after for change in made] == [(1, "a", None), (2, None, -5), (3, "ö" * 40, 0)]
    assert [change.key for change in made] == [(1,), (2,), (3,)]
    images = [(1, "a", None), (1, "b", None), (2, None, -5), (9, None, -5), (3, "c", 0), (3, "c", 0)]
    first, gone, come = _changes(decoder, 24, rows(COLUMNS, images, update=True))
    assert (first.before, first.after) == ((1, "a", None), (1, "b", None))
    assert (gone.key, come.key) == ((2,), (9,))
    assert gone.verdict is not None
    assert gone.verdict.moved == (9,)
    (last,) = _changes(decoder, 25, rows(COLUMNS, [(9, None, -5)]))
    assert (last.before, last.after) == ((9, None, -5), None)


def test_events_of_many_kinds_and_tables_keep_their_order() -> None:
    decoder = Decoder("my", "shop", {"items": ITEMS, "pairs": Layout("pairs", "pairs", ("a", "b"), ("b", "a"))})
    pairs = [("a", INT), ("b", INT)]
    _learn(decoder)
    decoder.table(event(events.TABLE_MAP, table_map("shop", "pairs", pairs, number=8)))
    made = [
        event(23, rows(COLUMNS, [(1, "a", 1), (2, "b", 2)])),
        event(23, rows(pairs, [(5, 6)], number=8)),
        event(24, rows(COLUMNS, [(1, "a", 1), (1, "z", 1)], update=True)),
        event(25, rows(COLUMNS, [(2, "b", 2)])),
        event(23, rows(COLUMNS, [(3, "c", 3)])),
    ]
    held = [(relation, one) for one in made if (relation := decoder.relation(one)) is not None]
    told = [(change.collection, change.key) for change in decoder.changes(held)]
    assert told == [("things", (1,)), ("things", (2,)), ("pairs", (6, 5)), ("things", (1,)), ("things", (2,)), ("things", (3,))]


def test_other_tables_and_other_databases_are_passed_over() -> None:
    decoder = _decoder()
    for schema, name in (("shop", "other"), ("shop2", "items"), ("sho", "items")):
        decoder.table(event(events.TABLE_MAP, table_map(schema, name, COLUMNS)))
        assert decoder.relation(event(23, rows(COLUMNS, [(1, "a", 1)]))) is None
    with pytest.raises(PeerChanged, match="did not describe"):
        decoder.relation(event(23, rows(COLUMNS, [(1, "a", 1)], number=99)))


def test_d47_columns_go_by_the_names_of_the_event() -> None:
    decoder = _decoder()
    _learn(decoder, [("n", INT), ("fresh", VARCHAR), ("id", BIGINT), ("name", VARCHAR)])
    (change,) = _changes(
        decoder, 23, rows([("n", INT), ("fresh", VARCHAR), ("id", BIGINT), ("name", VARCHAR)], [(4, "new", 1, "a")])
    )
    assert change.after == (1, "a", 4)
    _learn(decoder, [("id", BIGINT), ("n", INT)])
    with pytest.raises(PeerChanged, match="there is no name any more"):
        decoder.relation(event(23, rows(COLUMNS, [])))
    _learn(decoder, named=False)
    with pytest.raises(PeerChanged, match="binlog_row_metadata"):
        decoder.relation(event(23, rows(COLUMNS, [])))


def test_d47_rows_that_do_not_fit_their_table_are_not_shifted_into_it() -> None:
    decoder = _decoder()
    _learn(decoder)
    body = rows(COLUMNS, [(1, "a", 1), (2, "b", 2)])
    for wrong in (rows(COLUMNS[:2], [(1, "a")]), body[:-1], body + b"\0", body[:-10]):
        with pytest.raises(PeerChanged, match="cannot be read"):
            _changes(decoder, 23, wrong)


def test_d48_rows_that_are_not_complete_are_refused() -> None:
    decoder = _decoder()
    _learn(decoder)
    body = bytearray(rows(COLUMNS, [(1, "a", 1)]))
    body[9] = 0b101
    with pytest.raises(PeerChanged, match="binlog_row_image"):
        _changes(decoder, 23, bytes(body))


def test_d46_a_type_that_is_not_known_stops_its_table_and_no_other() -> None:
    decoder = Decoder("my", "shop", {"items": ITEMS, "pairs": Layout("pairs", "pairs", ("a",), ("a",))})
    _learn(decoder, [*COLUMNS, ("strange", 99)])
    with pytest.raises(PeerChanged, match=r"not known: 99 \(strange\)"):
        decoder.relation(event(23, rows(COLUMNS, [])))
    decoder.table(event(events.TABLE_MAP, table_map("shop", "pairs", [("a", INT)], number=8)))
    assert [change.key for change in _changes_of(decoder, event(23, rows([("a", INT)], [(1,)], number=8)))] == [(1,)]


def _changes_of(decoder: Decoder, made: bytes) -> list[Change]:
    relation = decoder.relation(made)
    assert relation is not None
    return decoder.changes([(relation, made)])


def test_columns_that_are_not_captured_may_be_in_any_character_set() -> None:
    decoder = Decoder("my", "shop", {"items": Layout("i", "items", ("id", "n"), ("id",))})
    body = table_map("shop", "items", COLUMNS).replace(b"\x02\x01\x2d", b"\x02\x01\x0d")
    decoder.table(event(events.TABLE_MAP, body))
    assert _changes(decoder, 23, rows(COLUMNS, [(1, "any", 2)]))[0].after == (1, 2)
    decoder = _decoder()
    decoder.table(event(events.TABLE_MAP, body))
    with pytest.raises(PeerChanged, match="collation that is not known: 13"):
        decoder.relation(event(23, rows(COLUMNS, [])))


def test_d5_unsigned_numbers_are_told_by_the_event() -> None:
    decoder = Decoder("my", "shop", {"items": Layout("i", "items", ("id", "n"), ("id",))})
    columns = [("id", BIGINT), ("n", INT)]
    decoder.table(event(events.TABLE_MAP, table_map("shop", "items", columns, unsigned=b"\xc0")))
    assert _changes_of(decoder, event(23, rows(columns, [(-1, -1), (5, 5)])))[0].after == (
        Tagged("decimal", "18446744073709551615"), 4294967295,
    )  # fmt: skip


def test_f30_columns_that_came_later_are_captured_from_their_place_on() -> None:
    decoder = _decoder(Layout("things", "items", ("id", "name", "n"), ("id",), ((1000, 2),)))
    _learn(decoder)
    body = rows(COLUMNS, [(1, "a", 1)])
    decoder.at = 999
    _learn(decoder)
    assert _changes(decoder, 23, body)[0].after == (1, "a")
    _learn(decoder, COLUMNS[:2])
    assert _changes(decoder, 23, rows(COLUMNS[:2], [(1, "a")]))[0].after == (1, "a")
    decoder.at = 1000
    _learn(decoder)
    assert _changes(decoder, 23, body)[0].after == (1, "a", 1)


def test_plans_are_kept_for_a_bounded_number_of_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_PLANS_MAX", 2)
    decoder = _decoder()
    _learn(decoder)
    images = [(n, "a" if n & 1 else None, n if n & 2 else None) for n in range(16)]
    assert [change.after for change in _changes(decoder, 23, rows(COLUMNS, images))] == images


def test_texts_with_a_nul_and_bytes_that_are_no_text_are_kept() -> None:
    read = shape_of(Field("t", VARCHAR, 200, False, 45, ())).read
    assert read([b"a\0b", b"", b"\xc3\xa4"]) == ["a\0b", "", "ä"]
    assert read([b"ok", b"\xff\xfe", None]) == ["ok", Tagged("rawtext", "fffe"), None]
    assert read([b"ok", b"\xed\xa0\x80"]) == ["ok", Tagged("rawtext", "eda080")]


@pytest.mark.parametrize(("size", "given", "whole"), [(16, b"\x01\x02", 16), (4, b"", 4), (255, b" ", 255)])
def test_d16_binary_columns_get_the_zeros_back_that_a_binlog_leaves_out(size: int, given: bytes, whole: int) -> None:
    (found,) = shape_of(Field("b", tables.STRING, 0xFE00 | size, False, 63, ())).read([given])
    assert found == given + bytes(whole - len(given))


def test_a_long_char_column_has_its_length_hidden_in_its_type() -> None:
    assert tables.string_bytes_max(52988) == 1020
    assert shape_of(Field("c", tables.STRING, 52988, False, 45, ())).code == "H"


def test_d17_labels_are_those_of_the_event() -> None:
    read = shape_of(Field("e", tables.ENUM, 0xF701, False, 45, (b"a", "ö".encode()))).read
    assert read([1, 2, 0, None]) == ["a", "ö", "", None]
    read = shape_of(Field("s", tables.SET, 0xF801, False, 8, (b"x", b"\xf6", b"z"))).read
    assert read([b"\x05", b"\x02", b"\x00"]) == ["x,z", "ö", ""]
    with pytest.raises(CodecError, match="labels"):
        shape_of(Field("e", tables.ENUM, 0xF701, False, 45, ()))
    with pytest.raises(CodecError, match="collation"):
        shape_of(Field("t", VARCHAR, 200, False, 0, ()))


def test_d37_a_value_that_is_too_large_says_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.peers.mysql.fields.VALUE_BYTES_MAX", 10)
    read = shape_of(Field("b", tables.BLOB, 4, False, 63, ())).read
    small, large = read([b"x" * 10, b"x" * 11])
    assert small == b"x" * 10
    assert isinstance(large, Tagged)
    assert large.kind == "oversize"


def test_compressed_columns_that_are_damaged_are_refused() -> None:
    assert inflate_column(b"") == b""
    assert inflate_column(b"\x00plain") == b"plain"
    with pytest.raises(CodecError, match="not known"):
        inflate_column(b"\x99x")
    with pytest.raises(CodecError, match="damaged"):
        inflate_column(b"\x89\x05not deflated")


def test_a_second_version_of_rows_has_a_part_for_extensions() -> None:
    decoder = _decoder()
    _learn(decoder)
    body = rows(COLUMNS, [(1, "a", 1)])
    second = body[:8] + pack("<H", 5) + b"abc" + body[8:]
    assert _changes(decoder, 30, second)[0].after == (1, "a", 1)


@pytest.mark.parametrize(
    ("present", "whole"), [(b"\x07", True), (b"\xff", True), (b"\x06", False), (b"\xfb", False), (b"\xf8", False)]
)
def test_whatever_stands_beyond_the_columns_of_a_bitmap_only_their_own_bits_tell(present: bytes, whole: bool) -> None:
    """MySQL 8 sets the bits beyond them, MariaDB does not."""
    decoder = _decoder()
    _learn(decoder)
    body = rows(COLUMNS, [(1, "a", 2)], present=present)
    if whole:
        assert [change.after for change in _changes(decoder, 23, body)] == [(1, "a", 2)]
    else:
        with pytest.raises(PeerChanged, match="binlog_row_image"):
            _changes(decoder, 23, body)
