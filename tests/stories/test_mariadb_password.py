"""A password at MariaDB is changed while a hub runs: with the new one in its file the peer goes on, without restart or loss."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pymysql
import pytest
from tests.servers.mariadb import Server, shared
from tests.stories.mixed import Mixed, make

OLD, NEW = "old-secret-1", "new-secret-2"
ROWS = 20


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Mixed]:
    """hq asks for a password, which lies in a file beside the configuration."""
    server = Server()
    server.run(None, f"CREATE USER keeper@127.0.0.1 IDENTIFIED BY '{OLD}'", "GRANT ALL ON *.* TO keeper@127.0.0.1")
    mixed = make(tmp_path, {"hq": server, "munich": shared()})
    secret(mixed, OLD)
    text, open_address = mixed.space.config.read_text(encoding="utf-8"), server.url(mixed.databases["hq"])
    address = server.url(mixed.databases["hq"], user="keeper:${file:hq.secret}")
    mixed.space.config.write_text(text.replace(open_address, address), encoding="utf-8")
    mixed.write("hq", *(f"INSERT INTO customers (id, name) VALUES ({n}, 'name {n}')" for n in range(ROWS)))
    yield mixed
    mixed.close()
    server.remove()


def secret(mixed: Mixed, value: str) -> None:
    """Put a secret into the file."""
    (mixed.space.folder / "hq.secret").write_text(value + "\n", encoding="utf-8")


def cut(mixed: Mixed) -> None:
    """End every session of the hub at hq."""
    with mixed.servers["hq"].connect() as program, program.cursor() as cursor:
        cursor.execute("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'keeper'")
        sessions = cursor.fetchall()
        assert len(sessions) >= 3
        for (number,) in sessions:
            with suppress(pymysql.err.OperationalError):  # it went by itself
                cursor.execute("KILL HARD CONNECTION %s", (number,))


@pytest.mark.parametrize("server_first", [True, False])
def test_f31_a_changed_password_needs_no_restart_and_loses_nothing(guarded: Mixed, server_first: bool) -> None:
    changes = [
        lambda: guarded.write("hq", f"ALTER USER keeper@127.0.0.1 IDENTIFIED BY '{NEW}'"), lambda: secret(guarded, NEW)
    ]  # fmt: skip
    guarded.start()
    (changes if server_first else changes[::-1])[0]()
    cut(guarded)
    guarded.space.wait(lambda: "SYN-P09" in guarded.space.state("hq"), "the server lets nobody in")
    guarded.write("hq", "UPDATE customers SET balance = balance + 1")
    guarded.write("munich", "UPDATE customers SET balance = balance + 10")
    assert guarded.balances("munich") == {10}
    (changes if server_first else changes[::-1])[1]()
    guarded.space.wait(lambda: guarded.balances("munich") == {11}, "hq is back")
    guarded.wait_equal()
    assert guarded.space.stop() == 0
    assert guarded.verify()["equal"] is True
    for word in (OLD, NEW):
        assert word not in guarded.space.said() + guarded.space.verb("status").text


def test_f31_a_wrong_password_at_the_first_start_is_told_at_once(guarded: Mixed) -> None:
    secret(guarded, NEW)
    told = guarded.settle(code=3)
    assert told.codes == ["SYN-P09"]
    assert NEW not in told.text
