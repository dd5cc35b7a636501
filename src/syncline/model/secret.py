"""Masking secrets in texts: what is masked wherever it turns up, and what only where secrets stand. Pure.

A password may be a word that messages are made of ('postgres', 'sync', 'peer'). Masked everywhere, it would garble them, and
the gap in a known sentence would tell it. So a secret that may be an ordinary word is masked where secrets stand: in addresses,
and after the name of a secret. Any other is masked wherever it turns up, a shorter one only where it is a word by itself.
"""

import re
from collections.abc import Iterable
from typing import Final

HIDDEN: Final = "***"
_SHORT_CHARS: Final = 6
_WORD_CHARS: Final = 16  # of letters or digits alone: longer ones are no words and no counts
_LONG_CHARS: Final = 10  # of several kinds: no word is a part of another like that
_SAID: Final = r"(?:(?:passw(?:or)?d|passphrase|pwd|secret)\w{0,40}|identified by)\s{1,3}['\"]"  # as statements say it
_NAMES: Final = r"(?:password|passwd|passphrase|pwd|secret|token|credential|key)\w{0,40}"


def mask(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets, the longest first."""
    for secret in sorted({one for one in secrets if one}, key=len, reverse=True):
        if secret in text:
            pattern = _places(secret) if is_word(secret) else _whole(secret)
            text = pattern.sub(rf"\g<name>{HIDDEN}", text)
    return text


def is_word(secret: str) -> bool:
    """Whether a secret may be an ordinary word or number: masking it everywhere would say more than it hides."""
    return len(secret) < _SHORT_CHARS or (len(secret) < _WORD_CHARS and (secret.isalpha() or secret.isdigit()))


def _whole(secret: str) -> re.Pattern[str]:
    """The secret; a shorter one not as a part of a longer word."""
    short = len(secret) < _LONG_CHARS
    before = r"(?:(?<!\w)|(?<=\\[abfnrtv]))" if short and _is_wordlike(secret[0]) else ""
    after = r"(?!\w)" if short and _is_wordlike(secret[-1]) else ""
    return re.compile(f"(?P<name>){before}{re.escape(secret)}{after}")


def _places(secret: str) -> re.Pattern[str]:
    """The secret where secrets stand: between ':' and '@' of an address, and after the name of a secret."""
    plain = re.escape(secret)
    after = r"(?!\w)" if _is_wordlike(secret[-1]) else ""
    named = rf"(?i:{_NAMES}['\"]?\s{{0,3}}[=:]\s{{0,3}}['\"]?)"
    return re.compile(rf"(?P<name>:(?={plain}@)|(?:{named}|(?i:{_SAID}))(?={plain}{after})){plain}")


def _is_wordlike(char: str) -> bool:
    return char.isalnum() or char == "_"
