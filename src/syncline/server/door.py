"""Who may ask: the token where there is one; else only who means this machine. Decides from a request's headers alone.

Where no token is needed, a page in somebody's browser could ask under a name of its own that leads to this machine (DNS
rebinding). It cannot change what it sends as Host, so a request for another host is refused. Nothing allows other sites' pages
to read answers (CORS), and where a token is needed they do not have it.
"""

import hmac
import ipaddress
import re
from http import HTTPStatus
from typing import Final

from syncline.config.serving import LOCAL, Place
from syncline.server.exchange import Answer, Request, refused

OPEN: Final = frozenset({"/healthz"})  # tells nothing but that somebody is here
_HOST: Final = re.compile(rb"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]*))(?::\d{1,5})?")
_BEARER: Final = re.compile(rb"bearer +(\S+)", re.IGNORECASE)


class Door:
    """What is asked of those who ask at this place."""

    def __init__(self, place: Place, token: str) -> None:
        self._place, self._token = place, token.encode()

    def refuses(self, request: Request, path: str) -> Answer | None:
        """Why a request is not let in; None if it is."""
        if self._token:
            return None if path in OPEN or self._has_token(request) else _ASK
        host = request.headers.get(b"host", b"")
        if self._is_meant(host):
            return None
        why = "without a token only requests to this machine's own names are answered"
        hint = f"ask for http://{LOCAL}, or give the hub a token: serve: {{token: ...}}"
        return refused(HTTPStatus.MISDIRECTED_REQUEST, "this request was meant for another host", why, hint)

    def knows(self, request: Request) -> bool:
        """Whether a request has what this door asks for, also where the page it asks for is open to everybody."""
        return self._has_token(request) if self._token else self._is_meant(request.headers.get(b"host", b""))

    def _has_token(self, request: Request) -> bool:
        found = _BEARER.fullmatch(request.headers.get(b"authorization", b""))
        return found is not None and hmac.compare_digest(found[1], self._token)

    def _is_meant(self, header: bytes) -> bool:
        """Whether a Host header names this machine, or the place itself."""
        found = _HOST.fullmatch(header)
        host = (found[1] or found[2] or b"").decode("latin-1").lower().removesuffix(".") if found is not None else ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host in {LOCAL, self._place.host.lower()}


_ASK: Final = refused(
    HTTPStatus.UNAUTHORIZED,
    "this needs the token",
    "the request has none, or another one",
    "send the header: Authorization: Bearer TOKEN",
    WWW_Authenticate="Bearer",
)
