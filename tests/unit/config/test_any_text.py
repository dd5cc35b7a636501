"""Whatever bytes a file holds: a Space or a ConfigError comes out, nothing else, and fast enough to be no attack."""

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from syncline.config import read as reading
from syncline.config.load import load
from syncline.model.errors import ConfigError, Problem
from syncline.model.space import Space

VALID = """\
space: crm
log: sqlite
peers:
  hq: sqlite:///hq.db?create=1
  van: sqlite:///van.db?create=1
collections:
  customers:
    key: [id]
    at: {van: kunden}
    merge: &rules
      default: newest
      notes: text
      limit: {prefer: [hq]}
    deletes: update_wins
    direction: {van: both}
    authority: hq
  orders:
    merge: *rules
settings: {retention_seconds: 30d, guard_delete_share: 50%, batch_rows: 5k}
"""
ANY_FILE = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIECES = ["\t", "\n", ":", "- ", "[", "]", "{", "}", "&a ", "*a", "!!int ", "'", '"', "#", "|\n", ">", "?", "%", "@", "\0", "\x85", "\u2028", "---\n", "...\n", "~", "<<", "null", "1e999", "𝄞", "ß", "${env:X}", "::", "\ufeff", "://", "*"]  # fmt: skip  # noqa: E501


def outcome(folder: Path, data: bytes) -> Space | ConfigError:
    """The space or the error; anything else is raised. Problems must be complete, and nothing may be created."""
    path = folder / "any.yaml"
    path.write_bytes(data)
    found: Space | ConfigError
    try:
        found = load(path, environ={})
    except ConfigError as error:
        found = error
    assert [entry.name for entry in folder.iterdir()] == ["any.yaml"]
    if isinstance(found, ConfigError):
        assert found.problems
        assert all(isinstance(problem, Problem) and "\n" not in problem.text() for problem in found.problems)
    return found


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The valid text with some pieces taken out, doubled or put in."""
    text = VALID
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        text = text[:start] + draw(st.sampled_from([*PIECES, "", text[start:end] * 2])) + text[end:]
    return text


@ANY_FILE
@given(st.binary(max_size=400))
@example(b"")
@example(b"\xef\xbb\xbf")
@example(b"\xff\xfe{\0}\0")
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    outcome(tmp_path, data)


@ANY_FILE
@given(mutated())
@example(VALID)
def test_mutated_configurations(tmp_path: Path, text: str) -> None:
    outcome(tmp_path, text.encode("utf-8", "surrogatepass"))


TREES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["space", "log", "peers", "collections", "settings", "key", "merge", "hq", "van", ""]), inner
        )
    ),
    max_leaves=20,
)


@ANY_FILE
@given(TREES)
def test_any_tree_where_words_are_expected(tmp_path: Path, tree: object) -> None:
    outcome(tmp_path, yaml.safe_dump(tree).encode())


def test_the_valid_text_is_valid(tmp_path: Path) -> None:
    space = outcome(tmp_path, VALID.encode())
    assert isinstance(space, Space)
    assert set(space.collections) == {"customers", "orders"}


@ANY_FILE
@given(mutated())
def test_the_pure_parser_is_as_safe(tmp_path: Path, text: str) -> None:
    """Where PyYAML was built without libyaml."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "LOADER", yaml.SafeLoader)
        outcome(tmp_path, text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("loader", [reading.LOADER, yaml.SafeLoader], ids=["libyaml", "python"])
@pytest.mark.parametrize(
    "text", ["[" * 200_000, "{a: " * 100_000, "- " * 200_000, "? " * 100_000, "a: &a " * 50_000, "'" * 300_000]
)
def test_x9_deep_and_long_texts_end_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loader: object, text: str) -> None:
    monkeypatch.setattr(reading, "LOADER", loader)
    assert isinstance(outcome(tmp_path, text.encode()), ConfigError)
