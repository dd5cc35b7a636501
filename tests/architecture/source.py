"""A source tree as the architecture tests see it: modules with name, lines and syntax tree. Knows nothing of the rules."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Module:
    """One file: `name` is its dotted module name, `path` is relative to the tree's top."""

    name: str
    path: str
    lines: int
    tree: ast.Module

    @property
    def folders(self) -> tuple[str, ...]:
        """The names of the folders that hold it."""
        return tuple(self.path.split("/")[:-1])


Tree: TypeAlias = Sequence[Module]


def load(top: Path, *folders: str) -> list[Module]:
    """Every Python file under the folders of `top` (all of it if none are named), in a stable order."""
    roots = [top / folder for folder in folders] if folders else [top]
    paths = sorted(path for root in roots for path in root.rglob("*.py") if "__pycache__" not in path.parts)
    return [_module(top, path) for path in paths]


def _module(top: Path, path: Path) -> Module:
    relative = path.relative_to(top)
    parts = [part for part in relative.with_suffix("").parts if part != "src"]
    if parts[-1] == "__init__":
        parts.pop()
    text = path.read_text(encoding="utf-8")
    return Module(".".join(parts), relative.as_posix(), len(text.splitlines()), ast.parse(text, relative.as_posix()))


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a module, nested ones too."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imported(node: ast.AST) -> list[str]:
    """The dotted names that an import statement may mean: `from a import b` is a, and a.b."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(base), names=names, level=0):
            return [base, *(f"{base}.{alias.name}" for alias in names)]
        case _:
            return []
