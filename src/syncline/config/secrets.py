"""Secrets in addresses: where they come from (`${env:NAME}`, `${file:/path}`) and how they are kept out of every output.

Two nets: `redact` hides the secret parts of anything that looks like a URL; `scrub` also hides every secret value that this
process has resolved, wherever it turns up (a driver's message, a traceback), as CI runners mask theirs; of one that may be an
ordinary word see model.secret.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from syncline.model import limits
from syncline.model.errors import MissingSecret, Problem
from syncline.model.secret import HIDDEN, mask

_SHOWN_CHARS: Final = 80
_LOOKED_AT_CHARS: Final = 4_000
_ENDS_MAX: Final = 20
_REFERENCE: Final = re.compile(r"\$\{([^{}]*)\}")
_USERINFO: Final = re.compile(r"://(?P<userinfo>[^\s/]\S{0,1000})@")  # bounded: no text may take quadratic time
_PARAMETER: Final = re.compile(
    r"(?P<name>[?&;](?:[a-z0-9_.-]{0,40}(?:password|passwd|passphrase|pwd|secret|token|credential)[a-z0-9_.-]{0,40}"
    r"|[a-z_-]{0,40}key))=(?P<value>[^&;\s]*)",
    re.IGNORECASE,
)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")  # with breaks and bidi overrides
_known: set[str] = set()


def remember(secret: str) -> None:
    """From now on, `scrub` hides this value, as it is and with percent escapes read."""
    _known.update(form for form in (secret, unquote(secret)) if form)


def remember_url(url: str) -> None:
    """Remember the password and the secret parameters of one address, even of one with blanks in its password."""
    _, _, rest = url.partition("://")
    _, colon, password = rest[: rest.rfind("@") + 1].partition(":")
    if colon:
        ends = [place.start() for place in re.finditer("@", password)]  # an '@' may be the password's or the path's: hide all
        for end in ends[-_ENDS_MAX:]:
            remember(password[:end])
    for found in _PARAMETER.finditer(url):
        remember(found["value"])


def redact(text: str) -> str:
    """The text with the secret parts of every URL in it hidden: who logs in and how, and parameters that hold secrets."""
    return _PARAMETER.sub(rf"\g<name>={HIDDEN}", _USERINFO.sub(f"://{HIDDEN}@", text))


def scrub(text: str) -> str:
    """The text without any secret: every known value hidden, every URL redacted."""
    return redact(mask(text, _known))


def one_line(text: str) -> str:
    """The text without secrets, its control characters shown instead of sent."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), scrub(text))


def scrubbed(value: object) -> object:
    """Data for machines without any secret, at any depth: mappings and lists anew, texts scrubbed, other values as they are."""
    match value:
        case str():
            return scrub(value)
        case Mapping():
            return {str(name): scrubbed(inner) for name, inner in value.items()}
        case list() | tuple():
            return [scrubbed(inner) for inner in value]
        case _:
            return value


def show(text: str) -> str:
    """A piece of the configuration for a message: quoted, redacted, on one line, not endless."""
    if len(text) > _LOOKED_AT_CHARS:
        return f"(a text of {len(text)} characters)"
    shown, half = scrub(text), _SHOWN_CHARS // 2
    return repr(shown if len(shown) <= _SHOWN_CHARS else f"{shown[:half]}...{shown[-half:]}")  # a path's end is its name


def resolve(text: str, folder: Path, environ: Mapping[str, str]) -> tuple[str, list[Problem]]:
    """The address with its references replaced, and what could not be found. Resolved values are remembered."""
    problems: list[Problem] = []

    def replace(found: re.Match[str]) -> str:
        value = _look_up(found[1], folder, environ)
        if isinstance(value, Problem):
            problems.append(value)
            return ""
        remember(value)
        return value

    return _REFERENCE.sub(replace, text), problems


def is_reference(text: str) -> bool:
    """Whether the text is one reference, and nothing beside it."""
    return _REFERENCE.fullmatch(text) is not None


def refers_to_file(text: str) -> bool:
    """Whether a part of the address is kept in a file: it may be another one later, what the environment says may not."""
    return any(found[1].startswith("file:") for found in _REFERENCE.finditer(text))


def _look_up(reference: str, folder: Path, environ: Mapping[str, str]) -> str | Problem:
    source, colon, name = reference.partition(":")
    if not colon or not name or source not in {"env", "file"}:
        why = "only ${env:NAME} and ${file:/path} are known"
        return MissingSecret(f"reference {show(reference)} cannot be read", why=why, hint="use one of these two")
    if source == "env":
        if name not in environ:
            return MissingSecret(f"environment variable {show(name)} is not set", hint="set it before the start")
        return environ[name]
    try:
        with (folder / name).open("rb") as file:
            data = file.read(limits.SECRET_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "the path is not valid"
        return MissingSecret(f"secret file {show(name)} cannot be read", why=why, hint="create it, readable by this user")
    try:
        value = data.decode().strip()
    except UnicodeDecodeError:
        return MissingSecret(f"secret file {show(name)} is not text", hint="put the secret alone into the file")
    if not value or len(data) > limits.SECRET_BYTES_MAX:
        why = "it is empty" if not value else f"it has more than {limits.SECRET_BYTES_MAX} bytes"
        return MissingSecret(f"secret file {show(name)} holds no secret", why=why, hint="put the secret alone into the file")
    return value
