"""D49: every type of column has the same value by both ways, from a snapshot and from the stream, for many random values."""

import random
from collections.abc import Callable, Sequence

import pytest
from tests.servers.mariadb import Server
from tests.unit.peers.mysql.database import changes, database, is_here, on_each_server, story

Make = Callable[[random.Random], str]
ROWS = 60


def _text(letters: str, most: int) -> Make:
    return lambda rng: "'" + "".join(rng.choice(letters) for _ in range(rng.randrange(most + 1))) + "'"


def _bytes(most: int) -> Make:
    def make(rng: random.Random) -> str:
        size = rng.choice((0, 1, most, rng.randrange(most + 1)))
        return "x'" + (bytes(rng.choices((0, 0x20, 0xFF, rng.randrange(256)), k=size))).hex() + "'"

    return make


def _integer(low: int, high: int) -> Make:
    return lambda rng: str(rng.choice((low, high, 0, rng.randrange(low, high + 1))))


def _decimal(precision: int, scale: int) -> Make:
    def make(rng: random.Random) -> str:
        digits = rng.randrange(1, precision + 1)
        number = rng.randrange(10**digits) * rng.choice((1, -1))
        text = f"{abs(number):0{scale + 1}d}"
        whole = text[: len(text) - scale] + ("." + text[len(text) - scale :] if scale else "")
        return ("-" if number < 0 else "") + whole

    return make


def _day(rng: random.Random) -> str:
    return rng.choice(("0000-00-00", "1000-01-01", "9999-12-31", f"{rng.randrange(1, 9999):04d}-02-28", "2024-00-00"))


def _fraction(rng: random.Random, digits: int) -> str:
    if not digits:
        return ""
    return "." + rng.choice(("0" * digits, "9" * digits, f"{rng.randrange(10**digits):0{digits}d}"))


def _clock(rng: random.Random) -> str:
    return f"{rng.randrange(24):02d}:{rng.randrange(60):02d}:{rng.randrange(60):02d}"


def _datetime(digits: int) -> Make:
    return lambda rng: f"'{_day(rng)} {_clock(rng)}{_fraction(rng, digits)}'"


def _timestamp(digits: int) -> Make:
    def make(rng: random.Random) -> str:
        day = f"{rng.randrange(1970, 2038)}-{rng.randrange(1, 13):02d}-{rng.randrange(2, 28):02d}"
        return rng.choice(("'0000-00-00 00:00:00'", f"'{day} {_clock(rng)}{_fraction(rng, digits)}'"))

    return make


def _time(digits: int) -> Make:
    def make(rng: random.Random) -> str:
        hours = rng.choice((0, 1, 99, 100, 838, rng.randrange(838)))
        clock = "59:59" if hours == 838 else _clock(rng)[3:]
        fraction = _fraction(rng, digits) if hours < 838 else ""
        return f"'{rng.choice(('', '-'))}{hours:02d}:{clock}{fraction}'"

    return make


def _label(count: int) -> Make:
    return lambda rng: str(rng.randrange(1, count + 1))


def _float(single: bool) -> Make:
    def make(rng: random.Random) -> str:
        number = rng.choice((0.0, 1.0, 0.1, 1e-7, 16777217.0, rng.uniform(-1e6, 1e6), 10.0 ** rng.uniform(-37, 37)))
        return repr(number if single else number * rng.choice((1, 1e200, 1e-200, 1 / 3)))

    return make


def _inet6(rng: random.Random) -> str:
    shapes = ("0000000x", "00000000", "000000xx", "00000fxx", "00000f00", "00000f0x", "x0x0x0x0", "x00x00xx", "0x00000x")
    shape = rng.choice((*shapes, "".join(rng.choices("0x0f", k=8))))
    words = {"0": "0", "f": "ffff"}
    return "'" + ":".join(words.get(one) or f"{rng.randrange(1, 65536):x}" for one in shape) + "'"


LATIN, CYRILLIC, WIDE = "aé ÿ€~", "аЯx№ё", "aß漢字\U0001f600"
TYPES: list[tuple[str, Make]] = [
    *[(f"{name} {sign}", _integer(0 if sign else -(2 ** (bits - 1)), 2**bits - 1 if sign else 2 ** (bits - 1) - 1))
      for name, bits in (("tinyint", 8), ("smallint", 16), ("mediumint", 24), ("int", 32), ("bigint", 64))
      for sign in ("", "unsigned")],
    ("year", lambda rng: str(rng.choice((0, 1901, 2155, rng.randrange(1901, 2156))))),
    *[(f"decimal({digits},{scale})", _decimal(digits, scale)) for digits, scale in (
        (1, 0), (1, 1), (9, 0), (9, 9), (10, 2), (18, 9), (19, 10), (37, 5), (65, 0), (65, 30), (38, 38))],
    ("float", _float(True)), ("double", _float(False)),
    *[(f"datetime({digits})", _datetime(digits)) for digits in range(7)],
    *[(f"timestamp({digits}) NULL", _timestamp(digits)) for digits in range(7)],
    *[(f"time({digits})", _time(digits)) for digits in range(7)],
    ("date", lambda rng: f"'{_day(rng)}'"),
    *[(f"bit({bits})", _integer(0, 2**bits - 1)) for bits in (1, 7, 8, 9, 33, 64)],
    ("char(10)", _text(WIDE, 10)), ("char(255)", _text(WIDE, 255)), ("varchar(10)", _text(WIDE, 10)),
    ("varchar(63)", _text(WIDE, 63)), ("varchar(64)", _text(WIDE, 64)), ("varchar(3000)", _text(WIDE, 3000)),
    ("tinytext", _text(WIDE, 60)), ("text", _text(WIDE, 600)), ("mediumtext", _text(WIDE, 600)), ("longtext", _text(WIDE, 600)),
    ("varchar(30) CHARACTER SET latin1", _text(LATIN, 30)), ("char(200) CHARACTER SET latin1", _text(LATIN, 200)),
    ("text CHARACTER SET cp1251", _text(CYRILLIC, 30)), ("varchar(30) CHARACTER SET koi8r", _text("аЯx", 30)),
    ("varchar(30) CHARACTER SET utf16", _text(WIDE, 30)), ("varchar(30) CHARACTER SET utf32", _text(WIDE, 30)),
    ("varchar(30) CHARACTER SET ucs2", _text("a漢ß", 30)), ("varchar(30) CHARACTER SET gbk", _text("a漢字", 30)),
    ("varchar(30) CHARACTER SET ascii", _text("ab c", 30)), ("varchar(30) COLLATE uca1400_swedish_ai_ci", _text(WIDE, 30)),
    ("binary(1)", _bytes(1)), ("binary(16)", _bytes(16)), ("binary(255)", _bytes(255)),
    ("varbinary(16)", _bytes(16)), ("varbinary(300)", _bytes(300)), ("tinyblob", _bytes(255)), ("blob", _bytes(3000)),
    ("mediumblob", _bytes(3000)), ("longblob", _bytes(3000)),
    ("varchar(300) COMPRESSED", lambda rng: f"REPEAT('täxt', {rng.choice((0, 1, 70))})"),
    ("text COMPRESSED", lambda rng: f"REPEAT('täxt', {rng.choice((0, 1, 700))})"),
    ("blob COMPRESSED", lambda rng: f"REPEAT(x'00ff', {rng.choice((0, 1, 700))})"),
    (f"enum({','.join(f'{chr(39)}l{n}ü{chr(39)}' for n in range(300))})", _label(300)),
    ("enum('a','b')", _label(2)), ("enum('é','ÿ') CHARACTER SET latin1", _label(2)),
    (f"set({','.join(f'{chr(39)}s{n}{chr(39)}' for n in range(64))})", _integer(0, 2**64 - 1)),
    ("set('ö','x') CHARACTER SET latin1", _integer(0, 3)),
    ("json", lambda rng: rng.choice(("'{\"a\":  [1, 1.10]}'", "'[]'", "'null'", "'\"ü\"'"))),
    ("uuid", lambda rng: f"'{rng.randbytes(16).hex()}'"),
    ("inet4", lambda rng: f"'{rng.choice((0, 9))}.0.32.{rng.randrange(256)}'"),
    ("inet6", _inet6), ("inet6", _inet6), ("inet6", _inet6),
    ("point", lambda rng: f"POINT({rng.uniform(-9, 9)}, 0)"), ("geometry", lambda _: "ST_GeomFromText('LINESTRING(0 0,1 1)')"),
    ("polygon", lambda _: "ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))', 4326)"),
]  # fmt: skip


def types_here() -> list[tuple[str, Make]]:
    """The types that the server at hand has."""
    return [pair for pair in TYPES if is_here(pair[0])]


def _table(types: Sequence[tuple[str, Make]]) -> str:
    columns = ", ".join(f"c{place} {name} DEFAULT NULL" for place, (name, _) in enumerate(types))
    return f"CREATE TABLE every (id INT PRIMARY KEY, v INT AS (id + 1) VIRTUAL, {columns}, s INT AS (id + 2) STORED)"


def _row(rng: random.Random, number: int, types: Sequence[tuple[str, Make]]) -> str:
    values = ("NULL" if rng.random() < 0.1 else make(rng) for _, make in types)
    names = ", ".join(f"c{place}" for place in range(len(types)))
    return f"INSERT INTO every (id, {names}) VALUES ({number}, {', '.join(values)})"


async def _agree(server: Server | None, types: Sequence[tuple[str, Make]], seed: int) -> None:
    """Rows are written, changed and deleted; after each step the stream has what a snapshot has."""
    rng = random.Random(seed)
    async with database(_table(types), server=server, extra="CHARACTER SET utf8mb4") as base:
        peer, found = await base.ready("every")
        every = found["every"]
        assert len(every.columns) == 1 + len(types)
        mode = "SET SESSION sql_mode = '', time_zone = '+00:00'"
        base.run(mode, *[_row(rng, number, types) for number in range(ROWS)])
        read = dict((await peer.chunk(every, None, 2 * ROWS)).rows)
        told = {change.key: change.after for change in await changes(peer)}
        assert len(read) == ROWS
        for key, row in read.items():
            for column, one, other in zip(every.columns, row, told[key] or (), strict=True):
                name = "id" if column == "id" else types[int(column[1:])][0]
                assert (one, type(one)) == (other, type(other)), f"seed {seed}, {name}"
        after = await peer.position()
        base.run("UPDATE every SET id = id + 1000 WHERE id % 2 = 0", "UPDATE every SET c0 = 7 WHERE id % 3 = 0")
        for change in await changes(peer, after):
            if change.before is not None:
                assert read.pop(change.key) == change.before
            if change.after is not None:
                read[change.key] = change.after
        assert read == dict((await peer.chunk(every, None, 2 * ROWS)).rows)


@on_each_server
@pytest.mark.parametrize("seed", range(2))
def test_d4_d5_d10_d11_d13_d15_d16_d22_d28_d49_both_ways_agree(seed: int) -> None:
    story(lambda: _agree(None, types_here(), seed))


def test_d10_d13_d49_both_ways_agree_where_times_are_kept_in_the_old_form() -> None:
    server = Server({"mysql56-temporal-format": "OFF"})
    old = [pair for pair in TYPES if pair[0] in ("tinyint ", "date", "datetime(0)", "timestamp(0) NULL", "time(0)")]
    story(lambda: _agree(server, old, 5))
    server.remove()
