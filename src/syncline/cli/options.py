"""Arguments and options that several verbs share, and how a configuration is told from other words. Prints nothing."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from syncline.model.errors import UsageError

DEFAULT_CONFIG = Path("syncline.yaml")

Config: TypeAlias = Annotated[
    Path | None, typer.Argument(metavar="CONFIG", help="The configuration file.  [default: syncline.yaml]")
]
ConfigOption: TypeAlias = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="CONFIG", help="The configuration file.  [default: syncline.yaml]")
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Limit: TypeAlias = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many to list.")]
After: TypeAlias = Annotated[str | None, typer.Option("--after", metavar="ID", help="Go on after this id.")]
InCollection: TypeAlias = Annotated[str | None, typer.Option("--collection", metavar="NAME", help="Only this collection.")]
Words: TypeAlias = list[str]
# Typer puts [ ]... around a list of words: written so, the usage says [CONFIG] [COLLECTION]...; the verb's text has the rest.
CollectionWords: TypeAlias = Annotated[list[str] | None, typer.Argument(metavar="CONFIG] [COLLECTION", hidden=True)]


def config_path(argument: Path | None, option: Path | None) -> Path:
    """The configuration, said in one of two ways. Raises UsageError if both are used."""
    if argument is not None and option is not None:
        raise UsageError("the configuration is named twice", hint="name it once, as a word or with -c")
    return argument or option or DEFAULT_CONFIG


def with_config(words: list[str], config: Path | None) -> tuple[Path, list[str]]:
    """The configuration and the other words. A first word that ends in .yaml or .yml is it, unless -c says it."""
    if config is not None:
        return config, words
    if words and words[0].endswith((".yaml", ".yml")):
        return Path(words[0]), words[1:]
    return DEFAULT_CONFIG, words


def exactly(verb: str, words: list[str], *names: str) -> list[str]:
    """The words, if there are as many as names. Raises UsageError."""
    if len(words) == len(names):
        return words
    found = f"{len(words)} given" if words else "nothing given"
    raise UsageError(f"this verb needs {' and '.join(names)}", why=found, hint=f"write {verb} [CONFIG] {' '.join(names)}")


def at_most_one(words: list[str], name: str) -> str | None:
    """The only word, or None. Raises UsageError."""
    if len(words) > 1:
        raise UsageError(f"this verb takes one {name}", why=f"{len(words)} given", hint=f"name one {name}, or none")
    return words[0] if words else None
