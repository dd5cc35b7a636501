"""A range of keys has the same rows everywhere, also where a column cannot hold the bound that another peer's row gave."""

from collections.abc import Sequence
from itertools import pairwise, product

import pytest
from tests.unit.peers.mysql.database import database, story

from syncline.model.key import order
from syncline.model.value import Tagged, Value

BOUNDS: Sequence[Value] = (
    None, -(2**63), -1, 0, 1, 3, 40_000, 2**40, 2**64 - 1, Tagged("decimal", "100000000000000000000000"), Tagged("real", "2.5"),
    Tagged("real", "1e+300"), Tagged("real", "-inf"), Tagged("real", "nan"), "", "a", "a\0b", "hello ", "ä", "😀",
    Tagged("rawtext", "61ff"), "0000-00-00", "2024-02-29", "2024-02-30", "infinity", "2024-02-29 12:00:00",
    "2024-02-29 12:00:00.25", "2024-02-29 12:00:00+00", "25:00:00", "12:00:00", "00000000-0000-0000-0000-000000000001",
    b"", b"a", b"\xff",
)  # fmt: skip
TEXTS = "'', 'a', 'aa', 'b', 'é', '😀'"
KEYS = {
    "tinyint": "-5, 0, 3, 127",
    "int": "-5, 0, 3, 2147483647",
    "bigint unsigned": "0, 3, 18446744073709551615",
    "decimal(30,6)": "-100000000000000000000, 0.1, 3, 12345678901234.56789, 10000000000000000000, 9999999999999999999",
    "decimal(6,2)": "-5.25, 0, 2.49, 2.51, 9999.99",
    "varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin": TEXTS,
    "varchar(20) CHARACTER SET latin1 COLLATE latin1_nopad_bin": "'', 'a', 'aa', 'b', 'é'",
    "char(5) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin": "'a', 'hello'",
    "varbinary(9)": "'', 'aa', 0xffff",
    "date": "'1000-01-01', '2024-02-29', '9999-12-31'",
    "datetime": "'2024-02-29 12:00:00', '2024-02-29 12:00:01'",
    "datetime(3)": "'2024-02-29 12:00:00', '2024-02-29 12:00:00.5'",
    "timestamp(3)": "'2024-02-29 12:00:00', '2025-01-01 00:00:00.5'",
    "time": "'12:00:00', '23:00:00'",
    "time(3)": "'12:00:00', '26:00:00.5'",
    "uuid": "'00000000-0000-0000-0000-000000000001', 'ffffffff-0000-0000-0000-000000000001'",
    "enum('b', 'a')": "'a', 'b'",
    "bit(9)": "b'0', b'101'",
}


@pytest.mark.parametrize("kind", KEYS)
def test_d27_ranges_have_the_rows_that_the_order_of_keys_gives_them_whatever_bounds_them(kind: str) -> None:
    async def work() -> None:
        values = ", ".join(f"({one}, 1), ({one}, 2)" for one in KEYS[kind].split(", "))
        table = f"CREATE TABLE t (k {kind} NOT NULL, n int, PRIMARY KEY (k, n))"
        async with database(table, f"INSERT INTO t VALUES {values}") as base:
            peer, found = await base.ready("t")
            rows = (await peer.chunk(found["t"], None, 100)).rows
            ranks = [order(key) for key, _ in rows]
            assert len(ranks) > 3
            assert all(one < other for one, other in pairwise(ranks))
            for value, other in product(BOUNDS, (1, 2**40)):
                bound = (value, other)
                later = await peer.chunk(found["t"], bound, 100)
                earlier = await peer.chunk(found["t"], None, 100, bound)
                assert [key for key, _ in later.rows] == [key for key, _ in rows if order(key) > order(bound)], bound
                assert [key for key, _ in earlier.rows] == [key for key, _ in rows if order(key) <= order(bound)], bound

    story(work)
