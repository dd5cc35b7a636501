"""Positions, without a server; what breaks a history is in test_capture."""

from syncline.model.stamp import Position
from syncline.peers.mysql.history import Spot, file_number, gtids_of, made_of, major_of, position, spot_of, watermark_of


def test_positions_are_ordered_by_file_then_offset_then_part() -> None:
    places = [
        position("log.000009", 500, 3), position("log.000009", 500, 3, part=1), position("log.000009", 500, 3, part=2),
        position("log.000009", 2**32 + 7, 3), position("log.000010", 4, 3), position("log.1000000", 4, 3),
    ]  # fmt: skip
    assert places == sorted(set(places))


def test_a_position_tells_what_reading_on_needs() -> None:
    where = position("my-log.000012", 2**33 + 1, 255, ["1-1-5", "0-1-77"], made=1_700_000_000)
    assert where.text == f"{255:016x} my-log.000012 1700000000 0-1-77,1-1-5"
    assert (made_of(where), made_of(position("log.000001", 4, 3))) == (1_700_000_000, 0)
    assert (watermark_of(where), spot_of(where)) == (255, Spot("my-log.000012", 2**33 + 1))
    assert gtids_of(where) == {0: "0-1-77", 1: "1-1-5"}
    assert (watermark_of(Position(0)), spot_of(Position(0)), gtids_of(Position(0))) == (0, Spot("", 0), {})
    assert where >= position("my-log.000012", 2**33 + 1, 255)
    assert where.text > position("my-log.000012", 2**33 + 1, 255).text, "where more is known, it does not stand before"


def test_numbers_of_files() -> None:
    assert (file_number("a.000123"), file_number("a.1234567"), file_number("odd"), major_of(1, 5)) == (
        123,
        1234567,
        0,
        2**40 + 5,
    )
