"""The part of a configuration that says how a running hub proves, and what it may repair by itself."""

import re
from datetime import time
from typing import Final

import msgspec

from syncline.compare.repair import CLASSES, read_policy
from syncline.config.read import Mapping, Node, Scalar
from syncline.config.secrets import show
from syncline.config.values import (
    Problems,
    count_of,
    is_nothing,
    known_of,
    listed,
    near,
    seconds_of,
    text_of,
    words_of,
    wrong,
)
from syncline.model.errors import UnknownKey, UnknownPeer, UnknownPolicy, WrongType
from syncline.model.space import AutoRepair, VerifySettings

KEYS: Final = VerifySettings.__struct_fields__
REPAIR_KEYS: Final = AutoRepair.__struct_fields__
POLICIES: Final = "merge, authority:PEER, upsert:PEER, insert:PEER or insert"
_CLOCK: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_PERCENT: Final = re.compile(r"(\d{1,3})%?")
_NEVER: Final = re.compile(r"never|0+(\.0*)?")
_WINDOW_HINT: Final = 'write the hours of a day, such as "22:00-05:30"'
_EXAMPLE: Final = "{every: 60s, full: 24h, budget: 25%}"
_NO_REPAIR: Final = "{classes: [missing, field], policy: merge, cap: 100}"


def verify_of(problems: Problems, node: Node, peers: tuple[str, ...]) -> VerifySettings:
    """What `verify` says; where it is wrong, the defaults, and problems."""
    usual = VerifySettings()
    if is_nothing(node):
        return usual
    if not isinstance(node, Mapping):
        wrong(problems, node, "verify", "a mapping", f"write it like {_EXAMPLE}")
        return usual
    found: dict[str, object] = {}
    for name, value in known_of(problems, node, KEYS):
        match name:
            case "every":
                found[name] = seconds_of(problems, value, name)
            case "full":
                never = isinstance(value, Scalar) and _NEVER.fullmatch(value.text) is not None
                found[name] = 0.0 if never else seconds_of(problems, value, name)
            case "window":
                found[name] = _window(problems, value)
            case "budget":
                found[name] = _percentage(problems, value, name)
            case "rows_per_second":
                no_limit = isinstance(value, Scalar) and value.text == "0"
                found[name] = 0 if no_limit else count_of(problems, value, name)
            case _:
                found[name] = _repair(problems, value, peers)
    return msgspec.structs.replace(usual, **{name: value for name, value in found.items() if value is not None})


def _window(problems: Problems, node: Node) -> tuple[time, time] | None:
    """Two times of the day; the second may be of the next day."""
    text = text_of(problems, node, "window")
    if text is None:
        return None
    begin, _, end = (part.strip() for part in text.partition("-"))
    found = _CLOCK.fullmatch(begin), _CLOCK.fullmatch(end)
    if found[0] is None or found[1] is None:
        wrong(problems, node, "window", "two times of the day", _WINDOW_HINT)
        return None
    times = tuple([time(int(one[1]), int(one[2])) for one in found if one is not None])
    if times[0] == times[1]:
        why = "it begins and ends at the same time"
        problems.append(WrongType("window is empty", why=why, hint=f"{_WINDOW_HINT}, or leave it out", line=node.line))
        return None
    return times[0], times[1]


def _percentage(problems: Problems, node: Node, what: str) -> float | None:
    """A share of the time, from 1 to 100 percent."""
    match = _PERCENT.fullmatch(node.text) if isinstance(node, Scalar) else None
    if match is None:
        wrong(problems, node, what, "a percentage", "write a whole number from 1 to 100, such as 25 or 25%")
        return None
    if not 1 <= int(match[1]) <= 100:
        why = "it must be 1 to 100"
        problems.append(WrongType(f"{what} is out of range", why=why, hint="choose a value in it", line=node.line))
        return None
    return int(match[1]) / 100


def _repair(problems: Problems, node: Node, peers: tuple[str, ...]) -> AutoRepair | None:
    if is_nothing(node):
        return None
    if not isinstance(node, Mapping):
        wrong(problems, node, "repair", "a mapping", f"write it like {_NO_REPAIR}")
        return None
    usual = AutoRepair()
    found: dict[str, object] = {}
    for name, value in known_of(problems, node, REPAIR_KEYS):
        match name:
            case "classes":
                found[name] = _classes(problems, value)
            case "policy":
                found[name] = _policy(problems, value, peers)
            case _:
                found[name] = count_of(problems, value, name)
    return msgspec.structs.replace(usual, **{name: value for name, value in found.items() if value is not None})


def _classes(problems: Problems, node: Node) -> tuple[str, ...] | None:
    words = words_of(problems, node, "classes", "[missing, extra, field]")
    if words is None:
        return None
    for word in words:
        if word.text not in CLASSES:
            hint = near(word.text, CLASSES) or f"known here: {listed(CLASSES)}"
            problems.append(UnknownKey(f"unknown class of differences {show(word.text)}", hint=hint, line=word.line))
    if not words:
        hint = f"name some of {listed(CLASSES)}, or leave repair out"
        problems.append(WrongType("classes is empty", why="nothing would be repaired", hint=hint, line=node.line))
    return tuple([one for one in CLASSES if one in {word.text for word in words}])


def _policy(problems: Problems, node: Node, peers: tuple[str, ...]) -> str | None:
    text = text_of(problems, node, "policy")
    if text is None:
        return None
    policy = read_policy(text)
    if policy is None:
        problems.append(UnknownPolicy(f"{show(text)} is no policy of a repair", hint=f"write {POLICIES}", line=node.line))
        return None
    if policy.peer and policy.peer not in peers:
        hint = near(policy.peer, peers) or f"peers are {listed(peers)}"
        problems.append(UnknownPeer(f"policy names {show(policy.peer)}, which is no peer", hint=hint, line=node.line))
        return None
    return policy.text
