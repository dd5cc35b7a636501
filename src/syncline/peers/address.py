"""What addresses of servers have in common, whatever their kind. Pure."""

import re
from typing import Final

from syncline.model.errors import PeerUnsafe

_HOST: Final = r"(?:\[[^\]@]*\]|[^@/?#:\[\],]*)(?::\d*)?"
_SERVER: Final = re.compile(rf"[^:/?#]*://(?:[^/?#]*@)?{_HOST}(?:,{_HOST})*(?:[/?#].*)?", re.DOTALL)


def refuse_unescaped(name: str, url: str) -> None:
    """Raise PeerUnsafe where a password seems to end early: parts of it would be taken for a port, an option, a database.

    These are shown in messages, which no password may be.
    """
    if "://" in url and _SERVER.fullmatch(url) is None:
        raise unescaped(name)


def unescaped(name: str) -> PeerUnsafe:
    """What to say of such an address, without any of it."""
    why = "a password with @, /, ?, # or % in it has to be escaped"
    hint = "write %40 for @, %2F for /, %3F for ?, %23 for #, %25 for %"
    return PeerUnsafe("this address cannot be read", why=why, hint=hint, peer=name)
