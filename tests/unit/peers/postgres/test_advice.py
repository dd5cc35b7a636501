"""What `check` says beside problems: a server that keeps all its log, and how much it keeps for us now."""

import pytest
from tests.unit.peers.postgres.database import database, story

COUNTS = "CREATE TABLE counts (id int8 PRIMARY KEY, n int8)"


def test_t9_a_slot_that_keeps_much_log_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with database(COUNTS) as base:
            peer, found = await base.ready("counts")
            before = await peer.advice(list(found.values()))
            assert any("max_slot_wal_keep_size" in one for one in before)
            assert not any("MiB of log" in one for one in before)
            monkeypatch.setattr("syncline.peers.postgres.check.SLOT_KEPT_BYTES_MAX", -1)
            assert any("MiB of log for the slot syncline_" in one for one in await peer.advice(list(found.values())))

    story(work)
