"""A checked rule as nested functions, built once: each takes the sides and gives a cell. Knows the tree, not the policy."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from sqlglot import exp

from syncline.merge.policies import cells
from syncline.merge.policies.cells import Cell, flag, load, truth
from syncline.merge.policies.expression import CASTS
from syncline.merge.policies.refused import Refused
from syncline.merge.policy import Contest
from syncline.model.value import ABSENT, Row

Step: TypeAlias = Callable[[Contest], Cell]
Builder: TypeAlias = Callable[[exp.Expression, Sequence[str]], Step]

_COMPARE: Final[dict[type[exp.Expression], Callable[[int], bool]]] = {
    exp.GT: lambda order: order > 0,
    exp.GTE: lambda order: order >= 0,
    exp.LT: lambda order: order < 0,
    exp.LTE: lambda order: order <= 0,
}
_SIGNS: Final[dict[type[exp.Expression], str]] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}


def compiled(node: exp.Expression, columns: Sequence[str]) -> Step:
    """The function of a checked tree. `columns` are the collection's, () if unknown. Raises Refused for an unknown column."""
    return _BUILDERS[type(node)](node, columns)


def _each(nodes: Sequence[exp.Expression], columns: Sequence[str]) -> list[Step]:
    return [compiled(node, columns) for node in nodes]


def _chain(node: exp.Expression) -> list[exp.Expression]:
    """The operands of a left-leaning chain of one operator, from left to right."""
    kind, operands = type(node), list[exp.Expression]()
    while type(node) is kind:
        operands.append(node.args["expression"])
        node = node.args["this"]
    return [node, *reversed(operands)]


def _literal(node: exp.Expression, _columns: Sequence[str]) -> Step:
    text = str(node.this)
    cell: Cell = text if node.args["is_string"] else int(text) if text.isdecimal() else cells.decimal(text)
    return lambda _contest: cell


def _boolean(node: exp.Expression, _columns: Sequence[str]) -> Step:
    cell = int(bool(node.this))
    return lambda _contest: cell


def _null(_node: exp.Expression, _columns: Sequence[str]) -> Step:
    return lambda _contest: None


def _inner(node: exp.Expression, columns: Sequence[str]) -> Step:
    return compiled(node.this, columns)


def _column(node: exp.Expression, columns: Sequence[str]) -> Step:
    table = node.args.get("table")
    if table is None:
        return _NAMES[node.name.lower()]
    side, name = table.name.lower(), _spelled(node.name, columns)
    rows: Callable[[Contest], Row] = (
        (lambda contest: contest.ours_row) if side == "ours" else (lambda contest: contest.theirs_row)
    )

    def read(contest: Contest) -> Cell:
        place = contest.columns.index(name) if name in contest.columns else -1
        row = rows(contest)
        value = row[place] if 0 <= place < len(row) else ABSENT
        if value is ABSENT:
            raise cells.stop(f"needs {side}.{name}", "the source did not send it")
        return load(value)

    return read


def _spelled(name: str, columns: Sequence[str]) -> str:
    """The column as the collection spells it: exactly, else the only one that differs in case alone."""
    if not columns or name in columns:
        return name
    alike = [column for column in columns if column.lower() == name.lower()]
    if len(alike) != 1:
        raise Refused(f"there is no column {name!r}", f"use one of: {', '.join(columns)}")
    return alike[0]


_NAMES: Final[dict[str, Step]] = {
    "ours": lambda contest: load(contest.ours),
    "theirs": lambda contest: load(contest.theirs),
    "base": lambda contest: load(contest.base),
    "ours_time": lambda contest: contest.ours_stamp.time,
    "theirs_time": lambda contest: contest.theirs_stamp.time,
    "ours_peer": lambda contest: contest.ours_stamp.peer,
    "theirs_peer": lambda contest: contest.theirs_stamp.peer,
}


def _and(node: exp.Expression, columns: Sequence[str]) -> Step:
    steps = _each(_chain(node), columns)

    def work(contest: Contest) -> Cell:
        known: bool | None = True
        for step in steps:
            found = truth(step(contest))
            if found is False:
                return 0
            known = None if found is None else known
        return flag(known)

    return work


def _or(node: exp.Expression, columns: Sequence[str]) -> Step:
    steps = _each(_chain(node), columns)

    def work(contest: Contest) -> Cell:
        known: bool | None = False
        for step in steps:
            found = truth(step(contest))
            if found:
                return 1
            known = None if found is None else known
        return flag(known)

    return work


def _not(node: exp.Expression, columns: Sequence[str]) -> Step:
    step = compiled(node.this, columns)
    return lambda contest: flag(cells.negated(truth(step(contest))))


def _equal(node: exp.Expression, columns: Sequence[str]) -> Step:
    left, right = _each([node.this, node.expression], columns)
    return lambda contest: flag(cells.equal(left(contest), right(contest)))


def _unequal(node: exp.Expression, columns: Sequence[str]) -> Step:
    left, right = _each([node.this, node.expression], columns)
    return lambda contest: flag(cells.negated(cells.equal(left(contest), right(contest))))


def _compare(node: exp.Expression, columns: Sequence[str]) -> Step:
    left, right = _each([node.this, node.expression], columns)
    test = _COMPARE[type(node)]

    def work(contest: Contest) -> Cell:
        found = cells.order(left(contest), right(contest))
        return None if found is None else int(test(found))

    return work


def _between(node: exp.Expression, columns: Sequence[str]) -> Step:
    step, low, high = _each([node.this, node.args["low"], node.args["high"]], columns)

    def work(contest: Contest) -> Cell:
        cell = step(contest)
        above, below = cells.order(cell, low(contest)), cells.order(cell, high(contest))
        if (above is not None and above < 0) or (below is not None and below > 0):
            return 0
        return None if above is None or below is None else 1

    return work


def _in(node: exp.Expression, columns: Sequence[str]) -> Step:
    step, options = compiled(node.this, columns), _each(node.expressions, columns)

    def work(contest: Contest) -> Cell:
        cell = step(contest)
        found = [cells.equal(cell, option(contest)) for option in options]
        return 1 if True in found else None if None in found else 0

    return work


def _is_null(node: exp.Expression, columns: Sequence[str]) -> Step:
    step = compiled(node.this, columns)
    return lambda contest: int(step(contest) is None)


def _like(node: exp.Expression, columns: Sequence[str]) -> Step:
    left, right = _each([node.this, node.expression], columns)
    return lambda contest: flag(cells.like(left(contest), right(contest)))


def _calculate(node: exp.Expression, columns: Sequence[str]) -> Step:
    steps, sign = _each(_chain(node), columns), _SIGNS[type(node)]

    def work(contest: Contest) -> Cell:
        total = steps[0](contest)
        for step in steps[1:]:
            total = cells.calculate(sign, total, step(contest))
        return total

    return work


def _negative(node: exp.Expression, columns: Sequence[str]) -> Step:
    step = compiled(node.this, columns)
    return lambda contest: cells.calculate("-", 0, step(contest))


def _case(node: exp.Expression, columns: Sequence[str]) -> Step:
    subject, default = node.args.get("this"), node.args.get("default")
    against = compiled(subject, columns) if subject is not None else None
    branches = [(compiled(one.this, columns), compiled(one.args["true"], columns)) for one in node.args["ifs"]]
    otherwise = compiled(default, columns) if default is not None else None

    def work(contest: Contest) -> Cell:
        cell = against(contest) if against is not None else None
        for when, then in branches:
            met = truth(when(contest)) if against is None else cells.equal(cell, when(contest))
            if met:
                return then(contest)
        return otherwise(contest) if otherwise is not None else None

    return work


def _coalesce(node: exp.Expression, columns: Sequence[str]) -> Step:
    steps = _each([node.this, *node.expressions], columns)
    return lambda contest: next((cell for step in steps if (cell := step(contest)) is not None), None)


def _nullif(node: exp.Expression, columns: Sequence[str]) -> Step:
    left, right = _each([node.this, node.expression], columns)

    def work(contest: Contest) -> Cell:
        cell = left(contest)
        return None if cells.equal(cell, right(contest)) else cell

    return work


def _extreme(node: exp.Expression, columns: Sequence[str]) -> Step:
    steps, sign = _each([node.this, *node.expressions], columns), 1 if isinstance(node, exp.Greatest) else -1
    return lambda contest: cells.extreme([step(contest) for step in steps], sign)


def _concatenate(node: exp.Expression, columns: Sequence[str]) -> Step:
    steps = _each(_chain(node), columns)
    return lambda contest: cells.concatenated([step(contest) for step in steps])


def _recase(node: exp.Expression, columns: Sequence[str]) -> Step:
    step, upper = compiled(node.this, columns), isinstance(node, exp.Upper)
    return lambda contest: cells.recased(step(contest), upper=upper)


def _substring(node: exp.Expression, columns: Sequence[str]) -> Step:
    start, size = node.args.get("start"), node.args.get("length")
    if start is None:
        raise Refused("SUBSTR without a start is not allowed", "write SUBSTR(text, 1, 10)")
    step, begin = compiled(node.this, columns), compiled(start, columns)
    count = compiled(size, columns) if size is not None else None

    def work(contest: Contest) -> Cell:
        limit = count(contest) if count is not None else None
        return cells.part(step(contest), begin(contest), limit, bounded_size=count is not None)

    return work


def _round(node: exp.Expression, columns: Sequence[str]) -> Step:
    decimals = node.args.get("decimals")
    step = compiled(node.this, columns)
    places: Step = compiled(decimals, columns) if decimals is not None else (lambda _contest: 0)
    return lambda contest: cells.rounded(step(contest), places(contest))


def _cast(node: exp.Expression, columns: Sequence[str]) -> Step:
    step, to = compiled(node.this, columns), CASTS[node.args["to"].this]
    return lambda contest: cells.cast(step(contest), to)


def _applied(function: Callable[[Cell], Cell]) -> Builder:
    def build(node: exp.Expression, columns: Sequence[str]) -> Step:
        step = compiled(node.this, columns)
        return lambda contest: function(step(contest))

    return build


_BUILDERS: Final[dict[type[exp.Expression], Builder]] = {
    exp.Literal: _literal,
    exp.Boolean: _boolean,
    exp.Null: _null,
    exp.Column: _column,
    exp.Paren: _inner,
    exp.And: _and,
    exp.Or: _or,
    exp.Not: _not,
    exp.EQ: _equal,
    exp.NEQ: _unequal,
    **dict.fromkeys(_COMPARE, _compare),
    **dict.fromkeys(_SIGNS, _calculate),
    exp.Between: _between,
    exp.In: _in,
    exp.Is: _is_null,
    exp.Like: _like,
    exp.Neg: _negative,
    exp.Case: _case,
    exp.Coalesce: _coalesce,
    exp.Nullif: _nullif,
    exp.Greatest: _extreme,
    exp.Least: _extreme,
    exp.DPipe: _concatenate,
    exp.Length: _applied(cells.length),
    exp.Trim: _applied(cells.trimmed),
    exp.Abs: _applied(cells.absolute),
    exp.Lower: _recase,
    exp.Upper: _recase,
    exp.Substring: _substring,
    exp.Round: _round,
    exp.Cast: _cast,
}
