"""A password is changed while a hub runs: with the new one in its file the peer goes on, without restart and without loss."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.postgres import Server, shared
from tests.stories.mixed import Mixed, make

OLD, NEW = "old-secret-1", "new-secret-2"
ROWS = 20
_LOGIN = "host all keeper 127.0.0.1/32 scram-sha-256\n"
_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'keeper'"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Mixed]:
    """hq asks for a password, which lies in a file beside the configuration."""
    server = Server()
    rules = server.data / "pg_hba.conf"
    rules.write_text(_LOGIN + rules.read_text(encoding="utf-8"), encoding="utf-8")
    server.run("postgres", f"CREATE ROLE keeper SUPERUSER LOGIN PASSWORD '{OLD}'", "SELECT pg_reload_conf()")
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


@pytest.mark.parametrize("server_first", [True, False])
def test_f31_a_changed_password_needs_no_restart_and_loses_nothing(guarded: Mixed, server_first: bool) -> None:
    changes = [lambda: guarded.write("hq", f"ALTER ROLE keeper PASSWORD '{NEW}'"), lambda: secret(guarded, NEW)]
    guarded.start()
    (changes if server_first else changes[::-1])[0]()
    guarded.write("hq", _CUT)
    guarded.space.wait(lambda: "SYN-P09" in guarded.space.state("hq"), "the server lets nobody in")
    guarded.write("hq", "UPDATE customers SET balance = balance + 1")
    guarded.write("munich", "UPDATE customers SET balance = balance + 10")
    assert {row[2] for row in guarded.rows("munich")} == {10}
    (changes if server_first else changes[::-1])[1]()
    guarded.space.wait(lambda: {row[2] for row in guarded.rows("munich")} == {11}, "hq is back")
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
