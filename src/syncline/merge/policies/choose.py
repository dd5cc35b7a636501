"""From a policy as written to the policy that decides; or what is wrong with it, and what to write instead. Loads nothing."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from syncline.merge.policies.append import Append
from syncline.merge.policies.counter import Counter
from syncline.merge.policies.custom import Custom
from syncline.merge.policies.jsons import Json
from syncline.merge.policies.refused import Refused
from syncline.merge.policies.registers import Extreme, First, Manual, Newest, Prefer
from syncline.merge.policies.rule import Rule
from syncline.merge.policies.sets import JSON, Set
from syncline.merge.policies.text import Text
from syncline.merge.policy import Policy
from syncline.model import limits
from syncline.model.errors import PolicyUnfit, Problem, SynclineError, UnknownPeer, UnknownPolicy
from syncline.model.schema import Kind
from syncline.model.space import PolicySpec

Load = Callable[[str], Callable[..., object]]

PLAIN: Final[Mapping[str, Callable[[], Policy]]] = {
    "newest": Newest,
    "first": First,
    "max": lambda: Extreme("max", 1),
    "min": lambda: Extreme("min", -1),
    "manual": Manual,
    "counter": Counter,
    "set": Set,
    "text": Text,
    "json": Json,
    "append": Append,
}
NAMES: Final = (*PLAIN, "prefer", "rule", "custom")

_TEXTS: Final = frozenset({Kind.TEXT, Kind.JSON, Kind.ANY})
_ORDERED: Final = frozenset(Kind) - {Kind.JSON, Kind.INTERVAL}
_FITS: Final[Mapping[str, frozenset[Kind]]] = {
    "counter": frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.ANY}),
    "set": _TEXTS,
    "text": frozenset({Kind.TEXT, Kind.ANY}),
    "json": _TEXTS,
    "append": _TEXTS,
    "max": _ORDERED,
    "min": _ORDERED,
}
_NEEDS: Final[Mapping[str, str]] = {
    "counter": "a counter adds exactly, which takes integers or decimals",
    "set": "a set is a JSON array or a separated list in a text column",
    "text": "only text has lines and words",
    "json": "only a json or text column holds a JSON document",
    "append": "only text or a JSON array can grow at its end",
    "max": "these values have no order that all peers share",
    "min": "these values have no order that all peers share",
}
_INSTEAD: Final[Mapping[Kind, str]] = {
    Kind.REAL: "use newest, max or min, or declare the column integer or decimal",
    Kind.JSON: "use json, set or append",
    Kind.TEXT: "use newest, text or set, or declare the column as numbers",
    Kind.INTEGER: "use counter, max or newest",
    Kind.DECIMAL: "use counter, max or newest",
}
_PATH: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*")


def fits(name: str, kind: Kind, *, key: bool = False) -> tuple[str, str] | None:
    """None if a policy of this name can work on a column of this kind; else why not, and what to do."""
    if key and name != "newest":
        return "a key tells rows apart and is never merged", "remove the line, or make another column the key"
    kinds = _FITS.get(name)
    if kinds is None or kind in kinds:
        return None
    return f"{_NEEDS[name]}, and this column is {kind.value}", _INSTEAD.get(kind, "use newest, first, prefer, rule or manual")


def build_policy(
    spec: PolicySpec,
    column: str,
    kind: Kind,
    peers: Sequence[str],
    load: Load,
    columns: Sequence[str] = (),
) -> Policy | Problem:
    """The policy of a column, or what is wrong with it.

    `load` gives the function behind module:function, and may raise anything. `columns` are the collection's, for rules that
    name others; () leaves that to the first conflict.
    """
    name, argument = _named(spec)
    if name not in NAMES:
        hint = f"use one of: {', '.join(NAMES)}"
        return UnknownPolicy(f"there is no policy {name!r}", hint=hint, line=spec.line, column=column)
    if (misfit := fits(name, kind)) is not None:
        why, hint = misfit
        return PolicyUnfit(f"policy {name} does not fit", why=why, hint=hint, line=spec.line, column=column)
    match name:
        case "prefer":
            return _prefer(argument, column, peers, spec.line)
        case "rule":
            return _rule(argument, column, kind, columns, spec.line)
        case "custom":
            return _custom(argument, column, load, spec.line)
        case "set" if argument is not None:
            return _set(argument, column, spec.line)
    if argument is not None:
        return _bad(f"policy {name} takes no argument", "it is one word", f"write {column}: {name}", column, spec.line)
    return PLAIN[name]()


def _named(spec: PolicySpec) -> tuple[str, object]:
    """The policy's name and argument; python:module:function alone is a custom one."""
    if spec.name.startswith("python:") and spec.argument is None:
        return "custom", spec.name
    return spec.name, spec.argument


def _bad(what: str, why: str, hint: str, column: str, line: int) -> UnknownPolicy:
    return UnknownPolicy(what, why=why, hint=hint, line=line, column=column)


def _prefer(argument: object, column: str, peers: Sequence[str], line: int) -> Policy | Problem:
    names = [argument] if isinstance(argument, str) else argument
    if not isinstance(names, list | tuple) or not names or not all(isinstance(one, str) for one in names):
        return _bad("policy prefer needs peers", "it has none", f"write {column}: {{prefer: [{peers[0]}]}}", column, line)
    unknown = [one for one in names if one not in peers]
    if unknown:
        hint = f"use one of: {', '.join(peers)}"
        return UnknownPeer(
            f"prefer names {', '.join(map(repr, unknown))}", why="no such peer", hint=hint, line=line, column=column
        )
    if len(set(names)) < len(names):
        return _bad("policy prefer names a peer twice", "the first place counts", "name it once", column, line)
    return Prefer(names)


def _rule(argument: object, column: str, kind: Kind, columns: Sequence[str], line: int) -> Policy | Problem:
    if not isinstance(argument, str):
        hint = f"write {column}: {{rule: 'GREATEST(ours, theirs)'}}"
        return _bad("policy rule needs an expression in quotes", "there is none", hint, column, line)
    try:
        return Rule(argument, kind, columns)
    except Refused as error:
        return _bad("the rule is not one that Syncline runs", str(error), error.hint, column, line)


def _custom(argument: object, column: str, load: Load, line: int) -> Policy | Problem:
    path = argument.removeprefix("python:") if isinstance(argument, str) else ""
    if not _PATH.fullmatch(path):
        why, hint = "it is not a module and a function", f"write {column}: {{custom: 'module:function'}}"
        return _bad(f"policy custom cannot use {argument!r}", why, hint, column, line)
    hint = "check the names, and that the module is installed where Syncline runs"
    try:
        function = load(path)
    except SynclineError as error:
        return _bad(f"{path} cannot be loaded", error.why or error.what, hint, column, line)
    except (Exception, SystemExit) as error:
        return _bad(f"{path} cannot be loaded", f"{type(error).__name__}: {error}", hint, column, line)
    if not callable(function):
        return _bad(f"{path} cannot be called", f"it is a {type(function).__name__}", "name a function", column, line)
    return Custom(path, function)


def _set(argument: object, column: str, line: int) -> Policy | Problem:
    separator = argument if isinstance(argument, str) else ""
    clear = not any(sign.isalnum() for sign in separator) or separator == JSON
    if not 1 <= len(separator) <= limits.SEPARATOR_CHARS_MAX or not clear:
        why = f"it must be 1 to {limits.SEPARATOR_CHARS_MAX} signs that are no letters or digits, or the word json"
        return _bad(f"policy set cannot separate by {argument!r}", why, f"write {column}: {{set: ','}}", column, line)
    return Set(separator)
