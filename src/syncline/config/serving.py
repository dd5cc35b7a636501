"""The part of a configuration that says where HTTP is answered, to whom; and what must be said before others than this machine.

Text alone: opens no socket and asks no name server. The token is a reference here, looked up only by who serves.
"""

import ipaddress
import os
import re
from collections.abc import Mapping as Environment
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from syncline.config.address import Site
from syncline.config.read import Mapping, Node
from syncline.config.secrets import is_reference, remember, resolve, show
from syncline.config.values import Problems, flag_of, is_nothing, known_of, text_of, wrong
from syncline.model.errors import BadUrl, MissingPart, Problem, UsageError, WrongType
from syncline.model.limits import HTTP_TOKEN_CHARS_MAX, HTTP_TOKEN_CHARS_MIN
from syncline.model.space import ServeSettings, Space

KEYS: Final = ServeSettings.__struct_fields__
LISTEN: Final = "127.0.0.1:9640"  # where nothing is said
LOCAL: Final = "localhost"
_EXAMPLE: Final = f"{{listen: {LISTEN}}}"
_HINT: Final = f"write HOST:PORT, such as {LISTEN}, or [::1]:9640"
_PLACE: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)):(?P<port>\d{1,5})"
)
_TOKEN: Final = re.compile(rf"[!-~]{{{HTTP_TOKEN_CHARS_MIN},{HTTP_TOKEN_CHARS_MAX}}}")
_REFERENCES: Final = "${env:NAME} or ${file:PATH}"


class Place(NamedTuple):
    """Where to listen. Port 0: any that is free."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == LOCAL


class Served(NamedTuple):
    """What who serves has to know. `token`: to be shown by who asks, '' for none; `certificate`, `key`: '' without TLS."""

    place: Place
    token: str
    certificate: str
    key: str


def serve_of(problems: Problems, node: Node, site: Site) -> ServeSettings:
    """What `serve` says; where it is wrong, the defaults, and problems."""
    usual = ServeSettings()
    if is_nothing(node):
        return usual
    if not isinstance(node, Mapping):
        wrong(problems, node, "serve", "a mapping", f"write it like {_EXAMPLE}")
        return usual
    found: dict[str, object] = {}
    before = len(problems)
    for name, value in known_of(problems, node, KEYS):
        match name:
            case "listen":
                found[name] = _listen(problems, value)
            case "token":
                found[name] = _token(problems, value)
            case "insecure":
                found[name] = flag_of(problems, value, name)
            case _:
                found[name] = _file(problems, value, name, site)
    settings = msgspec.structs.replace(usual, **{name: value for name, value in found.items() if value is not None})
    if len(problems) == before:  # else what is missing may only be misread
        problems += [_located(one, node.line) for one in _half(settings)]
        place = place_of(settings.listen)
        if place is not None and (why := exposed(place, settings)) is not None:
            problems.append(_located(why, node.line))
    return settings


def _located(problem: Problem, line: int) -> Problem:
    problem.line = line
    return problem


def _listen(problems: Problems, node: Node) -> str | None:
    text = text_of(problems, node, "listen")
    if text is not None and place_of(text) is None:
        problems.append(BadUrl(f"{show(text)} is no place to listen", hint=_HINT, line=node.line))
        return None
    return text


def _token(problems: Problems, node: Node) -> str | None:
    """The reference; a secret that stands there itself is not repeated."""
    text = text_of(problems, node, "token")
    if text is not None and not is_reference(text):
        remember(text)
        why = "a configuration is read by many, and a token opens everything that is served"
        problems.append(WrongType("token is not a reference", why=why, hint=f"write {_REFERENCES}", line=node.line))
        return None
    return text


def _file(problems: Problems, node: Node, name: str, site: Site) -> str | None:
    """An absolute path; whether the file is there matters only to who serves."""
    text = text_of(problems, node, name)
    return None if text is None else str(site.folder / text)


def _half(settings: ServeSettings) -> list[Problem]:
    """A certificate without its key, or the other way round."""
    if bool(settings.certificate) == bool(settings.key):
        return []
    has, lacks = ("certificate", "key") if settings.certificate else ("key", "certificate")
    return [MissingPart(f"serve has a {has} and no {lacks}", hint=f"add {lacks}: PATH", why="TLS needs both")]


def place_of(text: str) -> Place | None:
    """A place to listen; None for text that is none."""
    match = _PLACE.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        return None
    host = match["host"] or match["six"]
    if match["six"] or host.replace(".", "").isdigit():  # a number that is no address is no name either
        try:
            host = str(ipaddress.ip_address(host))
        except ValueError:
            return None
    return Place(host, int(match["port"]))


def exposed(place: Place, settings: ServeSettings) -> MissingPart | None:
    """What is missing before anybody but this machine may ask there."""
    if place.is_loopback:
        return None
    why = f"{place.host} can be reached from other machines"
    if not settings.token:
        hint = f"add token: {_REFERENCES} under serve, or listen at {LISTEN}"
        return MissingPart("HTTP for other machines needs a token", why=why, hint=hint)
    if not settings.certificate and not settings.insecure:
        hint = "add certificate: PATH and key: PATH under serve, or insecure: true if something before it brings TLS"
        return MissingPart("HTTP for other machines needs TLS", why=f"{why}, and would send the token in the clear", hint=hint)
    return None


def served(space: Space, listen: str | None, environ: Environment[str, str] | None = None) -> Served | None:
    """What to serve and how; `listen` wins over the configuration, None if neither says anything. Raises UsageError."""
    text = listen or space.serve.listen
    if not text:
        return None
    place = place_of(text)
    if place is None:
        raise UsageError(f"{show(text)} is no place to listen", hint=_HINT)
    if (missing := exposed(place, space.serve)) is not None:
        raise UsageError(missing.what, why=missing.why, hint=missing.hint)
    token = _secret(space, os.environ if environ is None else environ)
    return Served(place, token, space.serve.certificate, space.serve.key)


def _secret(space: Space, environ: Environment[str, str]) -> str:
    """The token that the reference refers to now, '' where there is none."""
    if not space.serve.token:
        return ""
    token, problems = resolve(space.serve.token, Path(os.path.abspath(space.path)).parent, environ)
    if problems:
        raise UsageError(f"the token cannot be looked up: {problems[0].what}", why=problems[0].why, hint=problems[0].hint)
    if _TOKEN.fullmatch(token) is None:
        why = f"it needs {HTTP_TOKEN_CHARS_MIN} to {HTTP_TOKEN_CHARS_MAX} letters, digits or signs, without blanks"
        raise UsageError("the token is not usable", why=why, hint="make one, such as: openssl rand -hex 32")
    return token
