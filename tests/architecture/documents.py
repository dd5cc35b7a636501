"""What the documents say: fenced blocks with their marks, documented names, and command lines checked against the verbs."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_FENCE = re.compile(r"^```(\S*)[ \t]*(.*)$")
_CODE = re.compile(r"SYN-[A-Z0-9]{3}")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the marks behind it (```python run), its text and the line it starts in."""

    language: str
    marks: tuple[str, ...]
    text: str
    line: int


class Parameter(Protocol):
    """An argument or option, as typer's command tree has it."""

    opts: Sequence[str]
    secondary_opts: Sequence[str]
    param_type_name: str
    nargs: int


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a document. Raises ValueError for a fence that is never closed."""
    found: list[Block] = []
    opened: tuple[str, tuple[str, ...], int] | None = None
    inner: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line)
        if opened is None and fence:
            opened, inner = (fence[1], tuple(fence[2].split()), number), []
        elif opened is not None and line == "```":
            language, marks, start = opened
            found.append(Block(language, marks, "\n".join(inner) + "\n", start))
            opened = None
        elif opened is not None:
            inner.append(line)
    if opened is not None:
        raise ValueError(f"the fence of line {opened[2]} is never closed")
    return found


def commands(block: Block) -> list[list[str]]:
    """The words of each `$ ...` line of a console block."""
    lines = [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]
    return [shlex.split(line, comments=True) for line in lines]


def codes(paths: Iterator[Path]) -> set[str]:
    """Every error code in some files."""
    return {code for path in paths for code in _CODE.findall(path.read_text(encoding="utf-8"))}


def rows(text: str, heading: str) -> dict[str, list[str]]:
    """The table under a heading: first cell without backquotes -> the other cells. A first cell `a`, `b` makes two rows."""
    section = re.split(rf"^#+ {re.escape(heading)}$", text, flags=re.MULTILINE)[1]
    section = re.split(r"^#+ ", section, maxsplit=1, flags=re.MULTILINE)[0]
    found: dict[str, list[str]] = {}
    for line in [line for line in section.splitlines() if line.startswith("|")][2:]:
        first, *rest = (cell.strip() for cell in line.strip("|").split("|"))
        found.update({name.strip().strip("`"): rest for name in first.split(",")})
    return found


def verbs(command: object, words: tuple[str, ...] = ()) -> dict[tuple[str, ...], Sequence[Parameter]]:
    """The leaves of a command tree, by their words, with their parameters."""
    children: Mapping[str, object] = getattr(command, "commands", {})
    if not children:
        return {words: getattr(command, "params", ())}
    return {name: params for word, child in children.items() for name, params in verbs(child, (*words, word)).items()}


def wrong(words: Sequence[str], known: Mapping[tuple[str, ...], Sequence[Parameter]]) -> str:
    """What is wrong with the words of a command line after `syncline`; '' if the verb takes them."""
    if list(words) in (["--version"], ["--help"], ["-h"]):
        return ""
    name = next((tuple(words[:count]) for count in (2, 1) if tuple(words[:count]) in known), None)
    if name is None:
        return f"no verb {' '.join(words[:2])}"
    options = {text: one for one in known[name] for text in (*one.opts, *one.secondary_opts) if text.startswith("-")}
    room = sum(99 if one.nargs < 0 else one.nargs for one in known[name] if one.param_type_name == "argument")
    rest = list(words[len(name) :])
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            room -= 1
        elif word not in options and word not in ("--help", "-h"):
            return f"{' '.join(name)} has no option {word}"
        elif word in options and not getattr(options[word], "is_flag", False):
            if not rest:
                return f"{word} needs a value"
            rest.pop(0)
    return f"too many words for {' '.join(name)}" if room < 0 else ""
