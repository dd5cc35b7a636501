"""What a statement in the binlog did to captured tables that no row event tells. Pure: only the names of tables are looked for.

Sources: https://mariadb.com/kb/en/data-definition/ and https://dev.mysql.com/doc/refman/8.4/en/sql-data-definition-statements.html
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from syncline.peers.mysql.events import Query

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|/\*(?!M?!).*?\*/|/\*M?!\d*|\*/|--\s[^\n]*|\#[^\n]*)"""
    r"""|`(?P<name>(?:[^`]|``)*)`|(?P<text>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")|(?P<word>[\w$]+)|(?P<other>.)""",
    re.DOTALL,
)
_MANIPULATIONS: Final = frozenset(
    {"INSERT", "REPLACE", "UPDATE", "DELETE", "LOAD", "CALL", "WITH", "SELECT", "DO", "VALUES", "EXECUTE", "HANDLER"}
)
_MOVES_ROWS: Final = frozenset(
    {("TRUNCATE", "PARTITION"), ("DROP", "PARTITION"), ("EXCHANGE", "PARTITION"), ("CONVERT", "PARTITION")}
    | {("CONVERT", "TABLE"), ("DISCARD", "TABLESPACE"), ("IMPORT", "TABLESPACE"), ("DISCARD", "PARTITION")}
    | {("IMPORT", "PARTITION")}
)
_SKIPPED: Final = frozenset({"IF", "NOT", "EXISTS", "ONLINE", "IGNORE", "TABLE", "TABLES"})
_TOKENS_MAX: Final = 100_000  # of a statement; the names of tables stand before


class Token(NamedTuple):
    """A word or a sign of a statement. `bare`: not in quotes, so that it may be a keyword."""

    text: str
    bare: bool

    @property
    def key(self) -> str:
        """As a keyword."""
        return self.text.upper() if self.bare else ""


class Damage(NamedTuple):
    """What happened to a captured table ('' : all of them). `lost`: rows went or changed, and the binlog does not say which."""

    table: str
    what: str
    why: str
    lost: bool


def words(text: str) -> Iterator[Token]:
    """The tokens of a statement, without comments; what stands in executable comments counts."""
    for number, found in enumerate(_TOKEN.finditer(text)):
        if number >= _TOKENS_MAX:
            return
        kind = found.lastgroup
        if kind == "name":
            yield Token(found["name"].replace("``", "`"), False)
        elif kind in ("word", "other"):
            yield Token(found[0], True)
        elif kind == "text":
            yield Token(found[0][1:-1], False)


def damage_of(query: Query, schema: str, tables: Collection[str]) -> Damage | None:
    """What a statement did to the captured tables of a schema, if anything (D38, D48)."""
    if query.schema != schema and schema not in query.text:
        return None
    tokens = list(words(query.text))
    first = tokens[0].key if tokens else ""
    if first in _MANIPULATIONS:
        what = "changes were logged as a statement, not as rows"
        return Damage("", what, f"a session with another binlog_format than ROW ran {query.text[:200]!r}", True)
    reach = _Reach(query.schema, schema, tables)
    match first:
        case "TRUNCATE":
            if name := reach.one(tokens[1:]):
                return Damage(name, "a captured table was truncated", "the binary log does not say which rows it had", True)
        case "DROP" | "RENAME" | "CREATE":
            return _definition(first, tokens, reach)
        case "ALTER":
            return _alter(tokens, reach)
    return None


def xa_name(tokens: Sequence[str]) -> str:
    """The name of an XA transaction as events.xid_text has it, from the words of `X'7131',X'77',1`."""
    parts = [token for token in tokens if token not in ("X", "x", ",")]
    first, second, number = [*parts, "", ""][:3] if len(parts) < 3 else parts[:3]
    return f"{first},{second},{number or 1}"


class _Reach:
    """Finds captured tables in lists of names."""

    def __init__(self, current: str, schema: str, tables: Collection[str]) -> None:
        self._current, self.schema, self._tables = current, schema, tables

    def one(self, tokens: Sequence[Token]) -> str:
        """The captured table that is named first, '' if it is another one."""
        names = self.names(tokens)
        return names[0] if names else ""

    def names(self, tokens: Sequence[Token]) -> list[str]:
        """The first table ('' if it is not captured), then every captured table among `a, b` and `a TO b, c TO d`."""
        found: list[str] = []
        at = 0
        while at < len(tokens) and tokens[at].key in _SKIPPED:
            at += 1
        while at < len(tokens):
            schema, name = self._current, tokens[at].text
            at += 1
            if at + 1 < len(tokens) and tokens[at].key == ".":
                schema, name = name, tokens[at + 1].text
                at += 2
            found.append(name if schema == self.schema and name in self._tables else "")
            while at < len(tokens) and tokens[at].key not in (",", "TO"):
                at += 1
            at += 1
        return found


def _definition(first: str, tokens: Sequence[Token], reach: _Reach) -> Damage | None:
    keys = [token.key for token in tokens[:6]]
    replaced = keys[1:3] == ["OR", "REPLACE"]
    kind = keys[3 if replaced else 1 : 5]
    if "TEMPORARY" in kind or (first == "CREATE" and not replaced) or not kind:
        return None
    rest = tokens[4 if replaced else 2 :]
    if kind[0] in ("DATABASE", "SCHEMA"):
        names = [token.text for token in rest if token.key not in _SKIPPED]
        if first != "RENAME" and names[:1] == [reach.schema]:
            return Damage("", "the database was dropped", "its tables went with it", True)
    elif kind[0] in ("TABLE", "TABLES"):
        names = [reach.one(rest)] if first == "CREATE" else reach.names(rest)
        if name := next(filter(None, names), ""):
            what = "renamed" if first == "RENAME" else "dropped" if first == "DROP" else "replaced"
            return Damage(name, "a captured table was dropped or renamed", f"it was {what}", False)
    return None


def _alter(tokens: Sequence[Token], reach: _Reach) -> Damage | None:
    keys = [token.key for token in tokens]
    if "TABLE" not in keys[:4]:
        return None
    start = keys.index("TABLE")
    mentioned = next((reach.one(tokens[at + 1 :]) for at in range(start, len(keys)) if keys[at] == "TABLE"), "")
    other = [reach.one(tokens[at + 1 : at + 4]) for at in range(start + 1, len(keys)) if keys[at] == "TABLE"]
    pairs = set(zip(keys[start:], keys[start + 1 :], strict=False))
    name = mentioned or next(filter(None, other), "")
    if not name:
        return None
    if pairs & _MOVES_ROWS or "IGNORE" in keys[:start]:
        return Damage(name, "rows of a captured table were moved by ALTER TABLE", "the binary log does not say which", True)
    renames = [after for before, after in pairs if before == "RENAME" and after not in ("COLUMN", "INDEX", "KEY")]
    if renames and mentioned:
        return Damage(name, "a captured table was dropped or renamed", "it was renamed", False)
    return None
