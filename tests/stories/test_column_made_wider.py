"""A column is made wider under a running hub: the row that it could not hold is tried again with the type that it has now."""

from pathlib import Path

import pytest
from tests.servers import mariadb, postgres
from tests.stories.mixed import Server, make

_TABLE = "CREATE TABLE customers (id int PRIMARY KEY, name varchar(40), balance int NOT NULL DEFAULT 0, notes {})"
KINDS = {
    "mariadb": (mariadb, "longtext", "text", "ALTER TABLE customers MODIFY notes longtext"),
    "postgres": (postgres, "text", "varchar(9)", "ALTER TABLE customers ALTER COLUMN notes TYPE text"),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_parked_row_is_tried_again_with_the_type_that_its_column_has_now(tmp_path: Path, kind: str) -> None:
    module, wide, narrow, widen = KINDS[kind]
    server: Server = module.shared()
    schema = {"hq": _TABLE.format(wide), "munich": _TABLE.format(narrow)}
    mixed = make(tmp_path, {"hq": server, "munich": server}, schema=schema, collections="{}")
    try:
        mixed.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
        mixed.settle(code=None)
        mixed.start()
        mixed.write("hq", "UPDATE customers SET notes = repeat('x', 70000) WHERE id = 1")
        mixed.space.wait(lambda: len(mixed.space.parked()) == 1, "the row is parked")
        mixed.write("munich", widen)
        (row,) = mixed.space.parked()
        mixed.space.verb("parked", "retry", row["id"])
        mixed.space.wait(lambda: len(mixed.rows("munich")[0][3] or "") == 70_000, "it is written", 10)
        mixed.wait_equal()
        mixed.space.wait(lambda: not mixed.space.parked(), "nothing is parked any more")
    finally:
        mixed.close()
