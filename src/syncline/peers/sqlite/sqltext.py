"""Reads the parts of a CREATE INDEX statement that SQLite's catalog does not list: expressions and the WHERE of partial ones.

A tokenizer, not a parser: it knows quotes, comments and parentheses, which is enough to find commas and words between them.
"""

import re
from collections.abc import Iterator
from typing import Final

_TOKEN: Final = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)              # comments
    |'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]  # quoted texts and names
    |\w+|\s+|.""",
    re.DOTALL | re.VERBOSE,
)


def index_parts(sql: str) -> tuple[list[str], str]:
    """The indexed expressions as written (without ASC, DESC or a final COLLATE name), and the WHERE expression or ''."""
    tokens = list(_tokens(sql))
    opening = tokens.index("(")
    closing = _closing(tokens, opening)
    parts: list[list[str]] = [[]]
    depth = 0
    for token in tokens[opening + 1 : closing]:
        depth += (token == "(") - (token == ")")
        if token == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    rest = tokens[closing + 1 :]
    words = [token.upper() for token in rest]
    where = "".join(rest[words.index("WHERE") + 1 :]) if "WHERE" in words else ""
    return ["".join(_bare(part)).strip() for part in parts], where.strip().rstrip(";").strip()


def _tokens(sql: str) -> Iterator[str]:
    for match in _TOKEN.finditer(sql):
        token = match[0]
        yield " " if token.startswith(("--", "/*")) else token


def _closing(tokens: list[str], opening: int) -> int:
    depth = 0
    for place in range(opening, len(tokens)):
        depth += (tokens[place] == "(") - (tokens[place] == ")")
        if depth == 0:
            return place
    raise ValueError("unbalanced parentheses")


def _bare(part: list[str]) -> list[str]:
    """Without what follows the expression: a sort order and a collation, which the catalog tells."""
    words = [place for place, token in enumerate(part) if token.strip()]
    if words and part[words[-1]].upper() in {"ASC", "DESC"}:
        words.pop()
    if len(words) > 2 and part[words[-2]].upper() == "COLLATE":
        words = words[:-2]
    return part[: words[-1] + 1] if words else []
