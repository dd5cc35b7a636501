"""Servers that others run, and what their settings and roles stand against: by facts, since nobody has them all at hand."""

import msgspec
import pytest

from syncline.model.errors import Problem
from syncline.peers.postgres.connect import parse_url
from syncline.peers.postgres.pooler import pooler_of
from syncline.peers.postgres.server import Facts, server_advice, server_problems

PLACE = parse_url("hq", "postgresql://sync@127.0.0.1/crm")
SETTINGS = {
    "wal_level": "logical", "server_encoding": "UTF8", "max_replication_slots": "10", "max_wal_senders": "10",
    "max_slot_wal_keep_size": "4096", "wal_sender_timeout": "60000",
}  # fmt: skip
GOOD = Facts(150000, "crm", "sync", True, False, True, True, 9, 9, 0, False, 7, False, (), SETTINGS, dialled=7)
HOSTS = {"rds": ("rds",), "aurora": ("rds",), "cloudsql": ("cloudsql",), "azure": ("azure",), "neon": ("neon",), "self": ()}


def facts(host: str = "self", settings: dict[str, str] | None = None, **changed: object) -> Facts:
    found = msgspec.structs.replace(GOOD, settings=SETTINGS | (settings or {}), **changed)
    return msgspec.structs.replace(found, prefixes=HOSTS[host], aurora=host == "aurora")


def problems(found: Facts) -> list[Problem]:
    return list(server_problems(found, PLACE, fresh=True))


@pytest.mark.parametrize("host", HOSTS)
def test_a_good_server_has_nothing_against_it(host: str) -> None:
    assert problems(facts(host)) == []


@pytest.mark.parametrize(
    ("host", "decode", "replicate", "room"),
    [
        (
            "self",
            "ALTER SYSTEM SET wal_level = logical",
            'ALTER ROLE "sync" REPLICATION',
            "ALTER SYSTEM SET max_wal_senders = 20",
        ),
        (
            "rds",
            "rds.logical_replication = 1 in the DB parameter group",
            'GRANT rds_replication TO "sync"',
            "DB parameter group",
        ),
        ("aurora", "rds.logical_replication = 1 in the DB cluster", 'GRANT rds_replication TO "sync"', "DB cluster parameter"),
        ("cloudsql", "cloudsql.logical_decoding = on", 'ALTER ROLE "sync" REPLICATION', "database flag max_wal_senders = 20"),
        (
            "azure",
            "wal_level = logical under 'Server parameters'",
            'ALTER ROLE "sync" REPLICATION',
            "max_wal_senders = 20 under",
        ),
        ("neon", "Logical Replication", "made in Neon's console", "max_wal_senders is set by Neon"),
    ],
)
def test_each_host_is_told_its_own_statements(host: str, decode: str, replicate: str, room: str) -> None:
    found = problems(facts(host, {"wal_level": "replica"}, replicates=False, senders=10))
    assert [one.what for one in found] == [
        "changes cannot be captured", "the role may not replicate", "no replication connection is free"
    ]  # fmt: skip
    for problem, words in zip(found, (decode, replicate, room), strict=True):
        assert words in problem.hint


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"version": 120022}, "too old"),
        ({"standby": True}, "is a standby"),
        ({"dialled": 8}, "connection pooler"),
        ({"settings": {"server_encoding": "LATIN1"}}, "not UTF8"),
        ({"transaction_timeout": "5000"}, "transactions are ended"),
        ({"creates": False}, "may not create Syncline's schema"),
        ({"temporary": False}, "temporary tables"),
        ({"slots": 10}, "no replication slot is free"),
        ({"senders": 10}, "no replication connection is free"),
        ({"settings": {"max_wal_senders": "0"}, "senders": 0}, "no replication connection is free"),
    ],
)
def test_each_fact_alone_is_told_with_what_helps(changed: dict[str, object], what: str) -> None:
    (problem,) = problems(facts(**changed))  # type: ignore[arg-type]
    assert what in problem.what
    assert problem.hint
    assert problem.where == {"peer": "hq"}


def test_a_peer_that_has_its_slot_needs_no_free_one_and_neon_numbers_sessions_anew() -> None:
    assert problems(facts(slots=10, senders=10, ours=1)) == []
    assert problems(facts("neon", dialled=8)) == []


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (facts(), []),
        (facts(settings={"max_slot_wal_keep_size": "-1"}), ["max_slot_wal_keep_size is unlimited"]),
        (facts(settings={"wal_sender_timeout": "0"}), ["ALTER SYSTEM SET wal_sender_timeout = 60000; then reload"]),
        (facts(standbys=True), ["after a failover to a standby"]),
        (facts("azure"), ["after a failover to a standby"]),
        (facts("neon"), ["about 40 hours"]),
    ],
)
def test_what_would_be_better_at_a_server(found: Facts, words: list[str]) -> None:
    told = list(server_advice(found))
    assert len(told) == len(words)
    for text, word in zip(told, words, strict=True):
        assert word in text


@pytest.mark.parametrize(
    ("url", "direct"),
    [
        ("postgresql://postgres.abcd@aws-0-eu-west-1.pooler.supabase.com:6543/postgres", "postgres@db.abcd.supabase.co:5432"),
        ("postgresql://postgres.abcd@aws-0-eu-west-1.pooler.supabase.com/postgres", "postgres@db.abcd.supabase.co:5432"),
        ("postgresql://postgres@db.abcd.supabase.co:6543/postgres", "db.abcd.supabase.co:5432"),
        ("postgresql://u@ep-cool-sky-123456-pooler.us-east-2.aws.neon.tech/crm", "ep-cool-sky-123456.us-east-2.aws.neon.tech"),
        ("postgresql://u@crm.proxy-abc123.eu-west-1.rds.amazonaws.com/crm", "endpoint of the instance"),
        ("postgresql://u@crm.postgres.database.azure.com:6432/crm", "crm.postgres.database.azure.com:5432"),
        ("postgresql://u@hq,ep-a-1-pooler.eu.aws.neon.tech/crm", "ep-a-1.eu.aws.neon.tech"),
        ("postgresql://postgres@db.abcd.supabase.co/postgres", ""),
        ("postgresql://u@ep-cool-sky-123456.us-east-2.aws.neon.tech/crm", ""),
        ("postgresql://u@crm.cluster-abc123.eu-west-1.rds.amazonaws.com/crm", ""),
        ("postgresql://u@crm.postgres.database.azure.com/crm", ""),
        ("postgresql://u@car-pooler.example.org:6543/crm", ""),
    ],
)
def test_the_address_of_a_known_pooler_is_told_the_direct_one(url: str, direct: str) -> None:
    found = pooler_of(parse_url("hq", url).conninfo)
    assert (direct in found.direct) if direct and found is not None else (found is None and not direct)
