"""The house habits as rules: each takes a source tree and lists what breaks it, so a test can feed it a bad sample."""

import ast
from typing import Final

from tests.architecture.source import Module, Tree, functions, imported

FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 70
DOCSTRING_LINES_MAX: Final = 15
BANNED_NAMES: Final = frozenset({"utils", "common", "helpers", "manager", "base", "util", "helper", "managers", "misc"})

PURE_FOLDERS: Final = frozenset({"merge", "mapping", "compare", "model", "observe"})
IMPURE_MODULES: Final = frozenset(
    {"apsw", "asyncio", "io", "os", "pathlib", "random", "secrets", "shutil", "socket", "sqlite3"}
    | {"subprocess", "tempfile", "threading", "time"}
)
IMPURE_CALLS: Final = frozenset({"open", "print", "input", "uuid1", "uuid4", "getnode", "now", "utcnow", "today"})


def long_files(tree: Tree) -> list[str]:
    """Files over 400 lines."""
    return [f"{module.path}: {module.lines} lines" for module in tree if module.lines > FILE_LINES_MAX]


def long_functions(tree: Tree) -> list[str]:
    """Functions over 70 lines, decorators and what is nested in them counted."""
    found = []
    for module in tree:
        for function in functions(module):
            first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
            lines = (function.end_lineno or function.lineno) - first + 1
            if lines > FUNCTION_LINES_MAX:
                found.append(f"{module.path}:{first} {function.name}: {lines} lines")
    return found


def hidden_imports(tree: Tree) -> list[str]:
    """Imports inside functions or methods, at any depth."""
    found = {
        (module.path, node.lineno)
        for module in tree
        for function in functions(module)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    return [f"{path}:{line} imports inside a function" for path, line in sorted(found)]


def docstrings(tree: Tree) -> list[str]:
    """Modules that do not open with a docstring, or with one that is too long to be read."""
    found = []
    for module in tree:
        text = ast.get_docstring(module.tree)
        if not text:
            found.append(f"{module.path}: no docstring")
        elif len(text.splitlines()) > DOCSTRING_LINES_MAX:
            found.append(f"{module.path}: a docstring of {len(text.splitlines())} lines")
    return found


def vague_names(tree: Tree) -> list[str]:
    """Modules and folders whose name says nothing."""
    return [
        f"{module.path}: {part} names nothing"
        for module in tree
        for part in dict.fromkeys((*module.folders, module.name.rpartition(".")[2]))
        if part in BANNED_NAMES
    ]


def relative_imports(tree: Tree) -> list[str]:
    """Imports that start with a dot: a reader must see the floor a name comes from."""
    return [
        f"{module.path}:{node.lineno} imports relatively"
        for module in tree
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]


def impure_decisions(tree: Tree) -> list[str]:
    """Words and decisions that touch the world: files, clocks, chance, threads, processes, databases."""
    found = []
    for module in tree:
        if not PURE_FOLDERS & set(module.folders):
            continue
        for node in ast.walk(module.tree):
            found += [f"{module.path}:{line} {what}" for line, what in _impurities(node)]
    return found


def _impurities(node: ast.AST) -> list[tuple[int, str]]:
    match node:
        case ast.Import() | ast.ImportFrom():
            roots = {name.partition(".")[0] for name in imported(node)}
            leaves = {alias.name for alias in node.names}
            return [(node.lineno, f"imports {name}") for name in sorted((roots & IMPURE_MODULES) | (leaves & IMPURE_CALLS))]
        case ast.Call(func=ast.Name(id=name)) if name in IMPURE_CALLS:
            return [(node.lineno, f"calls {name}")]
        case ast.Call(func=ast.Attribute(attr=name)) if name in IMPURE_CALLS:
            return [(node.lineno, f"calls .{name}")]
        case _:
            return []


def import_cycles(tree: Tree) -> list[str]:
    """Groups of modules that import one another, directly or around a corner."""
    names = {module.name for module in tree}
    graph = {module.name: _targets(module, names) for module in tree}
    reach = {name: _reachable(graph, name) for name in graph}
    groups = {tuple(sorted(other for other in reach[name] if name in reach[other])) for name in graph if name in reach[name]}
    return [" <-> ".join(group) for group in sorted(groups)]


def _targets(module: Module, names: set[str]) -> set[str]:
    """The modules of the tree that one module imports: the deepest one that each imported name stands for."""
    found: set[str] = set()
    for node in ast.walk(module.tree):
        match node:
            case ast.Import():
                found |= {name for name in imported(node) if name in names}
            case ast.ImportFrom(module=str(origin)):
                leaves = [f"{origin}.{alias.name}" for alias in node.names]
                found |= {leaf if leaf in names else origin for leaf in leaves if leaf in names or origin in names}
    return found


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = list(graph[start])
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += graph[name]
    return seen
