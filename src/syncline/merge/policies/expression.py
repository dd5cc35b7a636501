"""The language of rules: an SQL expression, read by sqlglot and checked against a list of what is allowed. Nothing else passes.

Every node's type must be listed, and of each node every part that is set: what sqlglot learns to parse later stays refused.
"""

import re
from typing import Final

from sqlglot import Dialect, exp
from sqlglot.errors import ParseError, SqlglotError

from syncline.merge.policies.refused import Refused
from syncline.model import limits

_BINARY: Final = frozenset({"this", "expression"})
_LIST: Final = frozenset({"this", "expressions"})
_ONE: Final = frozenset({"this"})
_PAIRS: Final = (exp.And, exp.Or, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Add, exp.Sub, exp.Mul)
ALLOWED: Final[dict[type[exp.Expression], frozenset[str]]] = {
    **dict.fromkeys(_PAIRS, _BINARY),
    **dict.fromkeys((exp.Is, exp.Like, exp.Nullif), _BINARY),
    **dict.fromkeys((exp.In, exp.Coalesce), _LIST),
    **dict.fromkeys((exp.Greatest, exp.Least), _LIST | {"ignore_nulls"}),
    **dict.fromkeys((exp.Paren, exp.Neg, exp.Not, exp.Length, exp.Lower, exp.Upper, exp.Trim, exp.Abs, exp.Boolean), _ONE),
    exp.Null: frozenset(),
    exp.DPipe: _BINARY | {"safe"},
    exp.Between: frozenset({"this", "low", "high"}),
    exp.Case: frozenset({"this", "ifs", "default"}),
    exp.If: frozenset({"this", "true"}),
    exp.Substring: frozenset({"this", "start", "length"}),
    exp.Round: frozenset({"this", "decimals"}),
    exp.Cast: frozenset({"this", "to"}),
    exp.DataType: _ONE,
    exp.Literal: frozenset({"this", "is_string"}),
    exp.Column: frozenset({"this", "table"}),
    exp.Identifier: frozenset({"this", "quoted"}),
}
_CHAINS: Final = (exp.And, exp.Or, exp.Add, exp.Sub, exp.Mul, exp.DPipe)  # a OR b OR c ... is one level, however long
CASTS: Final = {
    exp.DataType.Type.INT: "integer",
    exp.DataType.Type.BIGINT: "integer",
    exp.DataType.Type.DECIMAL: "decimal",
    exp.DataType.Type.TEXT: "text",
    exp.DataType.Type.VARCHAR: "text",
}
NAMES: Final = frozenset({"ours", "theirs", "base", "ours_time", "theirs_time", "ours_peer", "theirs_peer"})
SIDES: Final = frozenset({"ours", "theirs"})
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?")
_INSTEAD: Final = {
    "Div": "division is not exact: multiply instead",
    "Mod": "use CASE",
    "Concat": "join texts with ||",
    "ILike": "use LOWER(...) LIKE ...",
    "Escape": "use LIKE without ESCAPE",
    "Subquery": "a rule sees only this row",
    "Select": "a rule sees only this row",
    "Max": "write GREATEST(ours, theirs)",
    "Min": "write LEAST(ours, theirs)",
    "If": "write CASE WHEN ... THEN ... ELSE ... END",
    "Trim": "only TRIM(text) is there",
}


def parse(text: str) -> exp.Expression:
    """The checked tree of a rule. Raises Refused."""
    if not text.strip():
        raise Refused("it is empty", "write an expression such as GREATEST(ours, theirs)")
    if len(text) > limits.RULE_CHARS_MAX:
        raise Refused(f"it has more than {limits.RULE_CHARS_MAX} characters", "write a custom function instead")
    node = _only_expression(text)
    _check(node)
    return node


def _only_expression(text: str) -> exp.Expression:
    prefix = "SELECT "
    dialect = Dialect.get_or_raise(None)
    try:
        tokens = dialect.tokenize(prefix + text)
        if any(token.token_type.name == "SEMICOLON" for token in tokens):
            raise Refused("';' ends a statement, and a rule is one expression", "remove it")
        parsed = dialect.parser().parse(tokens, prefix + text)
    except RecursionError as error:
        raise Refused("it is nested too deeply") from error
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        spot = f" near {first['highlight']!r}" if first.get("highlight") else ""
        raise Refused(f"{_fault(str(first.get('description')))}{spot}") from error
    except SqlglotError as error:
        raise Refused("a quote or comment is not closed", "close it; a quote inside quotes is written twice") from error
    statement = parsed[0] if len(parsed) == 1 else None
    if not isinstance(statement, exp.Select):
        raise Refused("it is a statement, and a rule is one expression")
    extra = sorted(name for name, part in statement.args.items() if part and name != "expressions")
    if extra or len(statement.expressions) != 1:
        raise Refused(
            f"it goes on with {extra[0].strip('_').upper()}" if extra else "it has several values", "write one expression"
        )
    found: exp.Expression = statement.expressions[0]
    return found


def _fault(description: str) -> str:
    """What a parser says, in the words of whoever wrote the rule: its own names of things are none of theirs."""
    if description.startswith("Required keyword"):
        return "a value is missing"
    expected = re.fullmatch(r"Expecting (\S+)", description)
    return f"a {expected[1]} is missing" if expected else "it cannot be read"


def _check(root: exp.Expression) -> None:
    todo: list[tuple[exp.Expression, int]] = [(root, 1)]
    count = 0
    while todo:
        node, depth = todo.pop()
        count += 1
        if count > limits.RULE_NODES_MAX:
            raise Refused(f"it has more than {limits.RULE_NODES_MAX} parts", "write a custom function instead")
        if depth > limits.RULE_DEPTH_MAX:
            raise Refused(f"it is nested deeper than {limits.RULE_DEPTH_MAX} levels", "write a custom function instead")
        _check_one(node)
        chained = isinstance(node, _CHAINS)
        todo += [(child, depth + (not chained or type(child) is not type(node))) for child in node.iter_expressions()]


def _check_one(node: exp.Expression) -> None:
    kind = type(node)
    allowed = ALLOWED.get(kind)
    inside_case = isinstance(node.parent, exp.Case)
    if allowed is None or (kind is exp.If and not inside_case):
        raise Refused(f"{describe(node)} is not allowed", _INSTEAD.get(kind.__name__, ""))
    if kind is exp.Cast or kind is exp.DataType:
        _check_cast(node)
    if kind is exp.Column:
        _check_column(node)
    extra = [name for name, part in node.args.items() if part and name not in allowed and not name.startswith("_")]
    if "query" in extra:
        raise Refused(f"the subquery in {describe(node)} is not allowed", _INSTEAD["Subquery"])
    if extra:
        what = extra[0].strip("_").upper()
        raise Refused(f"{describe(node)} with {what} is not allowed", _INSTEAD.get(kind.__name__, ""))
    if kind is exp.Is and not isinstance(node.expression, exp.Null):
        raise Refused("IS takes only NULL here", "write = TRUE or = FALSE")
    if kind is exp.Literal and not node.is_string and not _NUMBER.fullmatch(str(node.this)):
        raise Refused(f"{str(node.this)[:40]} is no number")


def _check_cast(node: exp.Expression) -> None:
    to = node.args["to"] if isinstance(node, exp.Cast) else node
    if to.this not in CASTS or to.expressions:
        raise Refused(f"CAST to {to.sql()} is not allowed", "cast to INTEGER, DECIMAL or TEXT; use ROUND for places")


def _check_column(node: exp.Expression) -> None:
    name, table = node.this, node.args.get("table")
    if not isinstance(name, exp.Identifier) or node.args.get("db"):
        raise Refused(f"{describe(node)} is not allowed", "name one column, like ours.price")
    if table is None and name.name.lower() not in NAMES:
        raise Refused(f"the name {name.name!r} is unknown", f"write ours.{name.name} or theirs.{name.name}, or a text in '...'")
    if table is not None and table.name.lower() not in SIDES:
        what = "base has no columns" if table.name.lower() == "base" else f"{table.name!r} is no side"
        raise Refused(f"in {describe(node)}, {what}", "write ours.COLUMN or theirs.COLUMN; base is the field's own old value")


def describe(node: exp.Expression) -> str:
    """A construct for people: its name, or its text."""
    if isinstance(node, exp.Anonymous):
        return f"function {node.name.upper()}"
    if isinstance(node, exp.Func) and not isinstance(node, (exp.Case, exp.Cast, exp.Connector)):
        return f"function {node.sql_name()}"
    text = node.sql()
    return text if len(text) <= 60 else f"{text[:57]}..."
