"""JSON as written: the same values are found as by the standard library, and nothing else is accepted."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.merge.policies.jsontext import Node, NotJson, parse, rewritten
from syncline.model import limits

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
trees = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def value(node: Node) -> object:
    """What the standard library makes of a node's parts."""
    if node.shape == "object":
        return {name: value(item.node) for name, item in zip(node.names, node.items, strict=True)}
    if node.shape == "array":
        return [value(item.node) for item in node.items]
    return json.loads(node.text)


@settings(max_examples=200, deadline=None)
@given(tree=trees, indent=st.sampled_from([None, 0, 2]), ascii_only=st.booleans())
def test_every_document_is_read_and_written_back_byte_for_byte(tree: object, indent: int | None, ascii_only: bool) -> None:
    text = f" {json.dumps(tree, indent=indent, ensure_ascii=ascii_only)}\n"
    document = parse(text)
    assert value(document.root) == tree
    assert document.lead + document.root.text + document.tail == text
    if document.root.shape != "scalar":
        assert rewritten(document.root.items, document.root) == document.root.text or not document.root.items


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.sampled_from('{}[]",: \n\\tru1e0-.+afnls\u00e9'), max_size=14))
def test_what_the_standard_library_refuses_is_refused(text: str) -> None:
    """It also accepts NaN and Infinity and the last of duplicate names; those are refused here."""
    try:
        document = parse(text)
    except NotJson:
        return
    assert value(document.root) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "{", "[1,]", '{"a" 1}', '{"a": 1,}', '{"a": 1 "b": 2}', "01", "1.", ".5", "+1", "NaN", "Infinity", "-", "tru",
     "truee", "'a'", '"\t"', '"\\x"', '"\\u12"', "[1] 2", "{a: 1}", '{1: 2}', "\ufeff1", "[1, 2", '"abc', "\u00a01", "1 // x"],
)  # fmt: skip
def test_what_is_no_json_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(NotJson) as caught:
        parse(text)
    assert "character" in str(caught.value)


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": 1, "\\u0061": 2}', '[{"x": {"b": 1, "b": 1}}]'])
def test_d19_duplicate_names_are_refused(text: str) -> None:
    with pytest.raises(NotJson, match="stands twice"):
        parse(text)


def test_x9_depth_and_size_are_bounded() -> None:
    deepest = "[" * limits.JSON_DEPTH_MAX + "]" * limits.JSON_DEPTH_MAX
    assert parse(deepest).root.text == deepest
    with pytest.raises(NotJson, match="deeper"):
        parse(f"[{deepest}]")
    with pytest.raises(NotJson, match="deeper"):
        parse('{"a":' * 100_000)
    with pytest.raises(NotJson, match="characters"):
        parse(f'"{"a" * limits.JSON_MERGE_CHARS_MAX}"')


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a": 1, "b": [true]}', '{"b":[true],"a":1}', True),
        ('"\\u0061"', '"a"', True),
        ("[1, 2]", "[2, 1]", False),
        ("1", "1.0", False),
        ("1e400", "1e401", False),
        ("[]", "{}", False),
        ('"true"', "true", False),
        ('["a", "b"]', '["ab"]', False),
        ('[["a"], "b"]', '[["a", "b"]]', False),
        ('{"a": "b"}', '["a", "b"]', False),
        ('{"a": null}', "{}", False),
        ('"\\ud800"', '"\\ud801"', False),
    ],
)
def test_meaning_is_independent_of_spacing_order_and_escapes_but_of_nothing_else(one: str, other: str, same: bool) -> None:
    assert (parse(one).root.meaning == parse(other).root.meaning) is same
    assert (parse(f"[{one}]").root.meaning == parse(f"[{other}]").root.meaning) is same
