"""HTML that cannot be forgotten to be escaped: whatever is not made here is text."""

from html import escape
from typing import TypeAlias

from syncline.config.secrets import one_line


class Html(str):
    """Markup that was made here."""

    __slots__ = ()


Part: TypeAlias = str | int | None
VOID = frozenset({"meta", "br"})


def text(part: Part) -> Html:
    """A part as markup: text is escaped, without secrets and control characters; None is nothing."""
    if part is None:
        return Html("")
    if isinstance(part, Html):
        return part
    return Html(escape(f"{part:,}" if isinstance(part, int) else one_line(part)))


def joined(*parts: Part) -> Html:
    """Parts after each other."""
    return Html("".join(map(text, parts)))


def tag(name: str, /, *parts: Part, **attributes: str) -> Html:
    """An element. Attributes are escaped; `class_` and `aria_label` are written as HTML writes them."""
    named = "".join(
        f' {key.removesuffix("_").replace("_", "-")}="{escape(one_line(value))}"' for key, value in attributes.items()
    )
    return Html(f"<{name}{named}>" if name in VOID else f"<{name}{named}>{joined(*parts)}</{name}>")
