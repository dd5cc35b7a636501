"""Reads the parts of CREATE statements that SQLite's catalog does not list: indexed expressions, and how a table is declared.

A tokenizer, not a parser: it knows quotes, comments and parentheses, which is enough to find commas and words between them.
"""

import re
from collections.abc import Collection, Iterator
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


def around_name(sql: str, word: str) -> tuple[str, str]:
    """A CREATE statement before and after its table's name, which stands between `word` and the first parenthesis; one line."""
    tokens = list(_tokens(sql))
    place = next(place for place, token in enumerate(tokens) if token.upper() == word)
    opening = tokens.index("(", place)
    return _plain(tokens[: place + 1]), _plain(tokens[opening:])


def with_not_null(declared: str, columns: Collection[str]) -> str:
    """A table's declaration, from its first parenthesis, with these columns declared NOT NULL."""
    tokens = list(_tokens(declared))
    closing = _closing(tokens, 0)
    parts: list[list[str]] = [[]]
    depth = 0
    for token in tokens[1:closing]:
        depth += (token == "(") - (token == ")")
        if token == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    wanted = {name.lower() for name in columns}
    written = [_plain(part) for part in parts]
    named = [_name_of(part).lower() in wanted for part in parts]
    body = ", ".join(f"{text} NOT NULL" if hit else text for text, hit in zip(written, named, strict=True))
    return f"({body}){''.join(tokens[closing + 1 :])}"


def _plain(tokens: list[str]) -> str:
    """The text, with one space where there are spaces, line ends and comments."""
    spaced = [" " if token.isspace() else token for token in tokens]
    return "".join(token for token, before in zip(spaced, ["", *spaced], strict=False) if token != " " or before != " ").strip()


def _name_of(part: list[str]) -> str:
    """The column that a part of a declaration begins with, without its quotes."""
    text = _plain(part)
    ends = {'"': '"', "`": "`", "'": "'", "[": "]"}
    if text[:1] in ends:
        first = next(token for token in part if token.strip())
        return first[1:-1].replace(ends[first[0]] * 2, ends[first[0]])
    return re.split(r"[\s(]", text, maxsplit=1)[0]


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
