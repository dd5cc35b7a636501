"""Somebody drops the slot under a running hub: it tells that, and not that the server were away."""

from pathlib import Path

from tests.servers.postgres import shared
from tests.stories.mixed import make

_DROP = (
    "DO $$ DECLARE one record; BEGIN FOR one IN SELECT slot_name, active_pid FROM pg_replication_slots "
    "WHERE database = current_database() LOOP LOOP BEGIN "
    "PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = one.slot_name AND active; "
    "PERFORM pg_drop_replication_slot(one.slot_name); EXIT; "
    "EXCEPTION WHEN object_in_use THEN PERFORM pg_sleep(0.01); END; END LOOP; END LOOP; END $$"
)


def test_f20_a_slot_that_is_dropped_under_a_running_hub_is_told_as_such(tmp_path: Path) -> None:
    mixed = make(tmp_path, {"hq": shared(), "munich": shared()})
    try:
        mixed.write("hq", "INSERT INTO customers (id, name) VALUES (1, 'Ada')")
        mixed.settle()
        mixed.start()
        mixed.write("hq", _DROP)
        mixed.space.wait(lambda: mixed.space.state("hq").startswith("broken"), "the loss of the slot is told", 15)
        told = mixed.space.state("hq")
        assert "SYN-P06" in told
        assert "the replication slot is gone" in told
        assert "resume hq --rejoin" in told
        mixed.space.verb("resume", "hq", "--rejoin")
        mixed.write("hq", "UPDATE customers SET balance = 7")
        mixed.wait_equal()
    finally:
        mixed.close()
