"""Addresses of logs."""

from pathlib import Path

import pytest

from syncline.log.registry import log_path, open_desk, open_log
from syncline.log.sqlite import SqliteLog
from syncline.model.errors import UsageError


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("space.log.db", "{cwd}/space.log.db"),
        ("/var/lib/space.db", "/var/lib/space.db"),
        ("sqlite:///space.db", "{cwd}/space.db"),
        ("SQLite:////var/lib/space.db", "/var/lib/space.db"),
        ("sqlite:////var/my%20logs/a%23b.db", "/var/my logs/a#b.db"),
        ("/odd/name with : and ?.db", "/odd/name with : and ?.db"),
    ],
)
def test_paths_and_sqlite_urls_name_a_file(url: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert log_path(url) == path.format(cwd=tmp_path)
    assert isinstance(open_log(url), SqliteLog)


@pytest.mark.parametrize(
    "url",
    [
        "nats://host:4222", "kafka://host:9092", "postgresql://h/d", "sqlite://host/x.db", "sqlite://", "sqlite:///", "",
        ":memory:", "sqlite:///:memory:", "sqlite:///x.db?mode=ro", "a\0b",
    ],
)  # fmt: skip
def test_other_addresses_are_refused_with_what_to_write(url: str) -> None:
    for step in (open_log, open_desk):
        with pytest.raises(UsageError, match="write a path, or sqlite:///path"):
            step(url)
