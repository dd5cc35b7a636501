"""What `init` writes reads back as the same space, whatever the names; and what it proposes is safe."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from syncline.config.load import load
from syncline.config.propose import propose
from syncline.config.write import scalar, write
from syncline.model import limits
from syncline.model.errors import NoKey
from syncline.model.schema import Column, Kind, Table
from syncline.model.space import (
    AutoRepair,
    CollectionSpec,
    Direction,
    PeerSpec,
    PolicySpec,
    ServeSettings,
    Settings,
    Space,
    VerifySettings,
)

PEERS = ("hq", "no", "v.2-x")
LABELS = st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20)
# Yes, these are words that YAML would take for something else.
WORDS = st.sampled_from(["yes", "null", "~", "12", "1e3", "0x1F", "2024-01-01", "a: b", "a #b", "- a", "*a", "&a", "!t", "a:", "<<", "=", "'", '"', " a "])  # fmt: skip  # noqa: E501
TEXTS = LABELS | WORDS
POLICIES = st.one_of(
    st.sampled_from(["newest", "first", "counter", "set", "text", "json", "max", "min", "append", "manual"]).map(PolicySpec),
    st.lists(st.sampled_from(PEERS), min_size=1, max_size=3, unique=True).map(lambda peers: PolicySpec("prefer", peers)),
    st.sampled_from(["GREATEST(ours, theirs)", "CASE WHEN ours > 1 THEN ours ELSE theirs END"]).map(
        lambda text: PolicySpec("rule", text)
    ),
    st.text(alphabet=" ,;:#|-'\"[]{}&*!%@`~?<>=.", min_size=1, max_size=8).map(lambda text: PolicySpec("set", text)),
    st.sampled_from([PolicySpec("custom", "rules.city:choose"), PolicySpec("python:rules:choose")]),
)
COLLECTIONS = st.builds(
    CollectionSpec,
    name=TEXTS,
    key=st.lists(TEXTS, max_size=3, unique=True).map(tuple),
    at=st.dictionaries(st.sampled_from(PEERS), TEXTS),
    merge=st.dictionaries(TEXTS, POLICIES, max_size=4),
    deletes=st.sampled_from(["update_wins", "delete_wins", "newest", "manual"]),
    direction=st.just({}) | st.just({"hq": Direction.SEND, "no": Direction.BOTH}),
    authority=st.sampled_from(["", *PEERS]),
)
SECONDS = st.floats(1e-6, limits.SETTING_SECONDS_MAX)
ROWS = st.integers(1, limits.SETTING_ROWS_MAX)
PROOFS = st.builds(
    VerifySettings,
    every=SECONDS,
    full=st.just(0.0) | SECONDS,
    window=st.none()
    | st.lists(st.times().map(lambda one: one.replace(second=0, microsecond=0)), min_size=2, max_size=2, unique=True).map(
        tuple
    ),
    budget=st.integers(1, 100).map(lambda percent: percent / 100),
    rows_per_second=st.just(0) | ROWS,
    repair=st.none()
    | st.builds(
        AutoRepair,
        classes=st.sampled_from([("missing",), ("extra", "field"), ("missing", "extra", "field")]),
        policy=st.sampled_from(["merge", "insert", "authority:hq", "upsert:v.2-x", "insert:no"]),
        cap=ROWS,
    ),
)
SERVING = st.sampled_from(
    [
        ServeSettings(),
        ServeSettings("127.0.0.1:9640"),
        ServeSettings("[::1]:0", "${file:to ken}"),
        ServeSettings("0.0.0.0:80", "${env:TOKEN}", "/tls/a b.pem", "/tls/key.pem"),
        ServeSettings("hub.example:443", "${env:TOKEN}", insecure=True),
    ]
)
SETTINGS = st.builds(Settings, SECONDS, SECONDS, st.floats(0, 1), ROWS, SECONDS, SECONDS, ROWS, ROWS, ROWS)


def bare(spec: CollectionSpec) -> CollectionSpec:
    """Without lines."""
    merge = {column: msgspec.structs.replace(policy, line=0) for column, policy in spec.merge.items()}
    return msgspec.structs.replace(spec, merge=merge, lines={})


def tables_differ(specs: dict[str, CollectionSpec]) -> bool:
    """Whether no two collections are the same table."""
    return all(len({spec.at.get(peer, spec.name) for spec in specs.values()}) == len(specs) for peer in PEERS)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(COLLECTIONS, min_size=1, max_size=3, unique_by=lambda spec: spec.name)
    .map(lambda specs: {spec.name: spec for spec in specs})
    .filter(tables_differ),
    SETTINGS,
    PROOFS,
    SERVING,
)
def test_what_is_written_reads_back(
    tmp_path: Path, specs: dict[str, CollectionSpec], knobs: Settings, proofs: VerifySettings, serving: ServeSettings
) -> None:
    peers = {name: PeerSpec(name, f"sqlite:///{name}.db?create=1") for name in PEERS}
    path = tmp_path / "crm.yaml"
    path.write_text(write(Space("crm", "sqlite", peers, specs, knobs, proofs, serving)), encoding="utf-8")
    space = load(path)
    assert {name: bare(spec) for name, spec in space.collections.items()} == {name: bare(spec) for name, spec in specs.items()}
    assert space.settings == knobs
    assert space.verify == proofs
    assert space.serve == serving
    assert [peer.url for peer in space.peers.values()] == [f"sqlite:///{tmp_path}/{name}.db?create=1" for name in PEERS]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
@example("a" * 300)
@example("\ufeffx")
def test_a_scalar_stays_on_its_line(text: str) -> None:
    assert "\n" not in scalar(text)


def column(name: str, kind: Kind = Kind.TEXT, key_part: int = 0, nullable: bool = True) -> Column:
    """A column."""
    return Column(name, kind.value.upper(), kind, nullable=nullable, key_part=key_part, affinity="TEXT")


CUSTOMERS = Table(
    "customers",
    (
        column("id", Kind.INTEGER, 1),
        column("name"),
        column("notes"),
        column("balance", Kind.DECIMAL),
        column("tags"),
        column("extra", Kind.JSON),
        column("updated_at", Kind.TIMESTAMP),
    ),
    uniques=(("name",),),
)
LOG = Table("log", (column("line"),))


def proposed(**tables: list[Table]) -> str:
    """The text proposed for peers with these tables."""
    peers = [PeerSpec(name, f"sqlite:///{name}.db?create=1") for name in tables]
    return write(*propose("crm", peers, {name: {table.name: table for table in held} for name, held in tables.items()}))


def test_a_proposal_guesses_what_is_safe_and_suggests_the_rest(tmp_path: Path) -> None:
    text = proposed(hq=[CUSTOMERS, LOG, Table("only", (column("id", key_part=1),))], van=[CUSTOMERS, LOG])
    path = tmp_path / "crm.yaml"
    path.write_text(text)
    (spec,) = load(path).collections.values()
    assert spec.key == ("id",)
    assert {name: policy.name for name, policy in spec.merge.items()} == {
        "default": "newest", "notes": "text", "extra": "json", "updated_at": "max"
    }  # fmt: skip
    lines = [line.strip() for line in text.splitlines()]
    assert any(line.startswith("# balance: counter") for line in lines)
    assert any(line.startswith("# tags: set") for line in lines)
    assert any(line.startswith("#   only: not at van") for line in lines)
    assert any(line.startswith("#   log: table log has no primary key") for line in lines)
    assert any("give each its own range" in line for line in lines)
    assert any("unique constraint" in line for line in lines)


def test_what_a_peer_refuses_is_left_out_with_its_reason_and_the_fix() -> None:
    tables = {peer: {"t": Table("t", (column("code", key_part=1),))} for peer in ("a", "b")}
    refused = {"t": [NoKey("a part of the key may be NULL", why="many rows may", hint="rebuild it", column="code", peer="b")]}
    space, remarks = propose("crm", [], tables, refused)
    assert space.collections == {}
    assert remarks.left_out == {"t": "a part of the key may be NULL (column code at b): many rows may. Fix: rebuild it"}
    assert remarks.problems == refused["t"]
    assert list(propose("crm", [], tables, {"t": []})[0].collections) == ["t"]


@pytest.mark.parametrize("name", ["a\nb", "", "x" * 300])
def test_d40_tables_with_unusable_names_are_left_out(name: str) -> None:
    strange = Table(name, (column("id", key_part=1),))
    space, remarks = propose("crm", [], {"a": {name: strange}, "b": {name: strange}})
    assert not space.collections
    assert name in remarks.left_out


@given(st.text(max_size=12), st.text(min_size=1, max_size=12))
def test_x4_no_name_breaks_out_of_the_comments(table: str, reason: str) -> None:
    space, remarks = propose("crm", [], {"a": {}, "b": {}})
    remarks.left_out[table] = reason
    text = write(space, remarks)
    assert all(line.startswith("#   ") for line in text[text.index("# Tables that are not") :].split("\n")[1:-1])
