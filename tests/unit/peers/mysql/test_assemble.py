"""Transactions from events made by hand: what is told, in which order, where it stands, and what is not told."""

from struct import pack

import msgspec
import pytest
from tests.unit.peers.mysql.made import BIGINT, INT, TIME, VARCHAR, Log, rows, table_map

from syncline.model.change import Refusal, Transaction
from syncline.model.errors import CodecError, PeerChanged, PeerFull, PeerRestored
from syncline.model.stamp import Position
from syncline.peers.asked import Asked
from syncline.peers.mysql import assemble, events, held
from syncline.peers.mysql.assemble import Assembler, Begun, Unprepared
from syncline.peers.mysql.decode import Decoder
from syncline.peers.mysql.features import STATE
from syncline.peers.mysql.history import major_of, position
from syncline.peers.mysql.layout import Layout

COLUMNS = [("id", BIGINT), ("name", VARCHAR), ("n", INT)]
STATES = [("one", INT), ("watermark", BIGINT), ("refused", VARCHAR)]
LAYOUT = Layout("items", "items", ("id", "name", "n"), ("id",))


def _assembler(log: Log, after: Position | None = None, created: dict[int, int] | None = None) -> Assembler:
    tables = {"items": LAYOUT}
    where, decoder = after or Position(0), Decoder("my", "shop", tables)
    known = {} if created is None else created
    return Assembler("my", "shop", tables, decoder, log.file, log.offset, where, 0, known, Asked())


def _told(assembler: Assembler, log: Log) -> list[Transaction]:
    return [found for found in assembler.feed(log.new()) if isinstance(found, Transaction)]


def _insert(log: Log, *numbers: int) -> None:
    log.add(events.TABLE_MAP, table_map("shop", "items", COLUMNS))
    log.add(23, rows(COLUMNS, [(number, "a", number) for number in numbers]))


def _transaction(log: Log, *numbers: int) -> str:
    gtid = log.gtid()
    _insert(log, *numbers)
    log.commit()
    return gtid


def _keys(told: list[Transaction]) -> list[list[object]]:
    return [[change.key[0] for change in one.changes] for one in told]


def test_a_transaction_stands_where_its_commit_ends() -> None:
    log = Log()
    assembler = _assembler(log)
    gtid = _transaction(log, 1, 2)
    (told,) = _told(assembler, log)
    assert told.position == position(log.file, log.offset, 0, [gtid], made=TIME)
    assert told.position.text == f"{0:016x} {log.file} {TIME} {gtid}"
    assert (told.time, _keys([told])) == (TIME * 1_000_000 + 500_000, [[1, 2]])
    assert assembler.end == told.position.major


def test_what_is_read_again_is_told_from_its_place_on() -> None:
    log = Log()
    assembler = _assembler(log)
    for number in range(5):
        _transaction(log, number)
    told = _told(assembler, log)
    again = Log()
    after = _assembler(again, told[2].position)
    for number in range(5):
        _transaction(again, number)
    assert _told(after, again) == told[3:]


def test_a_commit_that_comes_fresh_was_made_just_now() -> None:
    second = TIME * 1_000_000
    wanted = {
        second + 7: second + 7,
        second + 2_500_000: second + 999_999,
        second + 60_000_000: second + 500_000,
        0: second + 500_000,
    }
    for now, expected in wanted.items():
        log = Log()
        assembler = _assembler(log)
        assembler.now = now
        _transaction(log, 1)
        assert [one.time for one in _told(assembler, log)] == [expected]


def test_a_large_transaction_that_finds_no_space_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "MEMORY_BYTES", 10)
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    log = Log()
    assembler = _assembler(log)
    _transaction(log, 1)
    with pytest.raises(PeerFull, match="TMPDIR"):
        list(assembler.feed(log.new()))


def test_our_own_transactions_are_context_and_their_rows_are_not_told() -> None:
    log = Log()
    assembler = _assembler(log)
    _transaction(log, 1)
    log.gtid()
    log.add(events.TABLE_MAP, table_map("shop", STATE, STATES, number=9))
    log.add(24, rows(STATES, [(1, 0, None), (1, 12, None)], number=9, update=True))
    _insert(log, 50)
    log.commit()
    _transaction(log, 2)
    told = _told(assembler, log)
    assert [(one.context, len(one.changes)) for one in told] == [(0, 1), (12, 0), (12, 1)]
    assert told[2].position.text.startswith(f"{12:016x} ")


def test_what_an_apply_refused_comes_with_its_watermark() -> None:
    refusal = Refusal("items", ("k",), "unique", "twice")
    blob = msgspec.msgpack.encode((refusal,))
    log = Log()
    assembler = _assembler(log)
    log.gtid()
    body = bytearray(table_map("shop", STATE, [*STATES[:2], ("refused", 252)], number=9))
    at = body.index(b"\x03\x08\xfc") + 3
    body[at : at + 1] = b"\x01\x04"  # a BLOB with a length of four bytes
    charset = b"\x02\x01\x3f"
    log.add(events.TABLE_MAP, bytes(body) + charset)
    image = b"\x00" + pack("<iqI", 1, 9, len(blob)) + blob
    log.add(23, pack("<IHH", 9, 0, 1) + b"\x03\x07" + image)
    log.commit()
    (told,) = _told(assembler, log)
    assert (told.context, told.refused) == (9, (refusal,))


def test_t3_what_was_rolled_back_is_not_told() -> None:
    log = Log()
    assembler = _assembler(log)
    log.gtid()
    _insert(log, 1)
    log.query("shop", "SAVEPOINT `s`")
    _insert(log, 2)
    log.query("shop", "ROLLBACK TO `s`")
    _insert(log, 3)
    log.commit()
    log.gtid()
    _insert(log, 4)
    log.query("shop", "ROLLBACK")
    _transaction(log, 5)
    assert _keys(_told(assembler, log)) == [[1, 3], [5]]


def test_t3_a_savepoint_in_what_was_moved_to_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "MEMORY_BYTES", 100)
    log = Log()
    assembler = _assembler(log)
    log.gtid()
    _insert(log, 1)
    log.query("shop", "SAVEPOINT `s`")
    for number in range(2, 9):
        _insert(log, number)
    log.query("shop", "ROLLBACK TO `s`")
    _insert(log, 10)
    log.commit()
    assert _keys(_told(assembler, log)) == [[1, 10]]


def _prepare(log: Log, name: bytes, *numbers: int) -> None:
    log.gtid(events.PREPARED_XA)
    _insert(log, *numbers)
    log.query("shop", f"XA END X'{name.hex()}',X'',1")
    log.add(events.XA_PREPARE, pack("<?III", False, 1, len(name), 0) + name)


def _finish(log: Log, verb: str, name: bytes) -> None:
    log.gtid(events.COMPLETED_XA | events.STANDALONE)
    log.query("shop", f"XA {verb} X'{name.hex()}',X'',1")


def test_t5_what_was_prepared_is_told_once_when_it_is_committed() -> None:
    log = Log()
    assembler = _assembler(log)
    _prepare(log, b"later", 1)
    _prepare(log, b"never", 2)
    _transaction(log, 3)
    _finish(log, "COMMIT", b"later")
    _finish(log, "ROLLBACK", b"never")
    told = _told(assembler, log)
    assert _keys(told) == [[3], [1]]
    assert told[1].position > told[0].position


def test_t5_what_was_prepared_before_reading_began_is_asked_for() -> None:
    log = Log()
    _prepare(log, b"x", 1)
    end = position(log.file, log.offset, 0)
    behind, assembler = Log(offset=log.offset), None
    assembler = _assembler(behind, end)
    _transaction(behind, 2)
    _finish(behind, "COMMIT", b"x")
    told: list[Transaction | Begun] = []
    with pytest.raises(Unprepared):
        told.extend(assembler.feed(behind.new()))
    assert _keys([one for one in told if isinstance(one, Transaction)]) == [[2]]
    _finish(log, "COMMIT", b"x")
    whole = Log()
    searching = _assembler(whole, end)
    assert _keys(_told(searching, log)) == [[1]], "what is before is only looked at"


def test_t5_mysql_says_what_is_prepared_in_words() -> None:
    log = Log()
    assembler = _assembler(log)
    log.add(33, bytes(40))
    log.query("shop", "XA START X'71',X'',1")
    _insert(log, 1)
    log.query("shop", "XA END X'71',X'',1")
    log.add(events.XA_PREPARE, pack("<?III", False, 1, 1, 0) + b"q")
    log.add(33, bytes(40))
    log.query("shop", "XA COMMIT X'71',X'',1")
    assert _keys(_told(assembler, log)) == [[1]]


def test_mysql_begins_with_begin_and_a_statement_alone_is_a_group() -> None:
    log = Log()
    assembler = _assembler(log)
    log.add(33, bytes(40))
    log.query("shop", "BEGIN")
    _insert(log, 1)
    log.commit()
    log.add(34, bytes(40))
    log.query("shop", "CREATE TABLE other (id INT)")
    log.add(33, bytes(40))
    log.query("shop", "BEGIN")
    _insert(log, 2)
    log.query("shop", "COMMIT")
    told = _told(assembler, log)
    assert (_keys(told), assembler.damage) == ([[1], [2]], None)
    assert [one.position.text for one in told] == [f"{0:016x} {log.file} {TIME} "] * 2


def test_t1_t4_a_large_transaction_comes_in_parts_and_goes_on_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assemble, "TRANSACTION_ROWS_MAX", 500)
    monkeypatch.setattr(assemble, "PART_ROWS", 100)
    monkeypatch.setattr(assemble, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(held, "MEMORY_BYTES", 5_000)
    monkeypatch.setattr(held, "PIECE_BYTES", 2_000)

    def make() -> Log:
        log = Log()
        _transaction(log, -1)
        log.gtid()
        for start in range(0, 1050, 50):
            _insert(log, *range(start, start + 50))
        log.commit()
        _transaction(log, 9999)
        return log

    start = Log()
    told = _told(_assembler(start), make())
    assert [len(one.changes) for one in told] == [1] + [100] * 10 + [50, 1]
    assert [one.position for one in told] == sorted({one.position for one in told})
    assert {one.position.major for one in told[1:11]} == {told[0].position.major}
    for at in range(len(told)):
        rest = _told(_assembler(start, told[at].position), make())
        assert rest == told[at + 1 :], at


def test_t1_a_transaction_of_many_bytes_and_few_rows_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assemble, "WHOLE_BYTES", 100)
    log = Log()
    assembler = _assembler(log)
    _transaction(log, *range(100))
    assert [len(one.changes) for one in _told(assembler, log)] == [100]


def test_t11_places_beyond_four_gibibytes_go_on_though_events_tell_only_the_low_half() -> None:
    log = Log(offset=2**32 - 300)
    assembler = _assembler(log, position(log.file, log.offset, 0))
    _transaction(log, 1)
    log.gtid()
    _insert(log, 2)
    log.add(events.TABLE_MAP, table_map("elsewhere", "t", COLUMNS), skip=2**31 - 1000)
    log.add(events.TABLE_MAP, table_map("elsewhere", "t", COLUMNS), skip=2**31 - 1000)
    log.commit()
    assert log.offset > 2**33 - 5000
    told = _told(assembler, log)
    assert _keys(told) == [[1], [2]]
    assert told[0].position.major < major_of(1, 2**32 + 300)
    assert told[1].position.major == major_of(1, log.offset)
    assert told[1].position < position("binlog.000002", 4, 0)


def test_a_binary_log_that_goes_back_is_not_believed() -> None:
    log = Log()
    assembler = _assembler(log)
    _transaction(log, 1)
    log.offset = 20
    _transaction(log, 2)
    told: list[Transaction | Begun] = []
    with pytest.raises(CodecError, match="goes back"):
        told.extend(assembler.feed(log.new()))
    assert _keys([one for one in told if isinstance(one, Transaction)]) == [[1]]


def test_f22_a_file_that_was_made_at_another_time_is_another_history() -> None:
    log, created = Log(), {1: TIME}
    assembler = _assembler(log, created=created)
    assert list(assembler.feed(log.new())) == []
    fresh = Log("binlog.000002", created=TIME + 9)
    assert list(assembler.feed(fresh.new())) == [Begun(2, TIME + 9)]
    other = Log(created=TIME + 5)
    with pytest.raises(PeerRestored, match="reset"):
        list(assembler.feed(other.new()))
    assert created == {1: TIME, 2: TIME + 9}


def test_what_a_dying_server_left_half_written_is_forgotten() -> None:
    log = Log()
    assembler = _assembler(log)
    log.gtid()
    _insert(log, 1)
    list(assembler.feed(log.new()))
    assert assembler.inside
    fresh = Log("binlog.000002")
    _transaction(fresh, 2)
    assert _keys(_told(assembler, fresh)) == [[2]]


def test_d38_d48_damage_is_told_after_what_stands_before_it_and_not_for_the_past() -> None:
    log = Log()
    assembler = _assembler(log)
    _transaction(log, 1)
    log.statement("shop", "TRUNCATE items")
    end = position(log.file, log.offset, 0)
    _transaction(log, 2)
    data = log.new()
    assert _keys([one for one in assembler.feed(data) if isinstance(one, Transaction)]) == [[1]]
    assert assembler.damage is not None
    later = _assembler(Log(), end)
    assert _keys([one for one in later.feed(data) if isinstance(one, Transaction)]) == [[2]]
    assert later.damage is None


def test_d48_partial_json_and_lost_events_stop_the_stream() -> None:
    log = Log()
    assembler = _assembler(log)
    log.gtid()
    log.add(events.TABLE_MAP, table_map("shop", "items", COLUMNS))
    log.add(events.ROWS_PARTIAL, rows(COLUMNS, [(1, "a", 1), (1, "b", 1)], update=True))
    with pytest.raises(PeerChanged, match="not complete"):
        list(assembler.feed(log.new()))
    log = Log()
    assembler = _assembler(log)
    log.add(events.INCIDENT, b"\x01\x00\x00")
    list(assembler.feed(log.new()))
    assert assembler.damage is not None
    assert assembler.damage.lost


def test_d46_an_event_of_an_unknown_kind_is_not_passed_over_unless_it_says_so() -> None:
    log = Log()
    assembler = _assembler(log)
    log.add(200, b"from the future", flags=0x80)
    _transaction(log, 1)
    log.add(201, b"from the future")
    told: list[Transaction | Begun] = []
    with pytest.raises(CodecError, match="201"):
        told.extend(assembler.feed(log.new()))
    assert _keys([one for one in told if isinstance(one, Transaction)]) == [[1]]


def test_a_heartbeat_tells_how_far_the_server_has_looked() -> None:
    log = Log()
    assembler = _assembler(log)
    _transaction(log, 1)
    list(assembler.feed(log.new()))
    log.offset += 500
    log._new.append(pack("<IBIIIH", 0, events.HEARTBEAT, 1, 19, log.offset, 0) + log.file.encode())
    list(assembler.feed(log.new()))
    assert assembler.end == major_of(1, log.offset)
