"""Of which copies nothing is known now, and why, as the status tells it: what was proven of them is of the past. Pure."""

import re
from collections.abc import Sequence
from typing import Any, Final

from syncline.model.limits import STATUS_CHANGES_MAX
from syncline.model.words import counted

Report = dict[str, Any]
LIVE: Final = "live"  # a peer's state with a hub, and its stage without one where nothing is in its way
# what an error says first: where, why and how it is mended may hold values of rows, and do not belong into a report
_ERROR: Final = re.compile(r"(?P<code>SYN-\w+):? (?P<what>.*?)(?: \(|: |\. Fix: |$)")


def state_now(status: Report, peer: str) -> str:
    """What a peer is now; unknown if the status has nothing of it."""
    return str(status["peers"].get(peer, {}).get("state", "unknown"))


def away_now(status: Report, peers: Sequence[str], collections: Sequence[str]) -> dict[tuple[str, str], str]:
    """Why nothing is known of a copy now, by peer and collection; those of which it is are not there."""
    found = {(peer, name): _away(status, peer, name) for peer in peers for name in collections}
    return {place: why for place, why in found.items() if why}


def _away(status: Report, peer: str, collection: str) -> str:
    told = status["peers"].get(peer)
    if told is None:
        return "the running hub does not know it"
    if told["state"] != LIVE:
        return f"it is {told['state']}{f': {reason}' if (reason := _what(told['reason'] or '')) else ''}"
    hub = status["hub"]
    if hub["running"]:
        if "pid" not in hub:
            return "the running hub does not answer"
        full = status.get("log", {}).get("reason")
        return f"the log takes no entries: {_what(full)}" if full else ""
    uncaptured = told["collections"].get(collection, {}).get("uncaptured")
    if uncaptured is None:
        return "it could not be looked at"
    more = " or more" if uncaptured >= STATUS_CHANGES_MAX else ""
    return f"it has {counted(uncaptured, 'change')}{more} that no hub has captured yet" if uncaptured else ""


def shortened(why: str) -> str:
    """Why a peer was not compared, without more of its error than what it is."""
    state, _, reason = why.partition(": ")
    return f"{state}: {_what(reason)}" if reason else state


def _what(reason: str) -> str:
    found = _ERROR.search(reason)
    return f"{found['what']} ({found['code']})" if found is not None else ""
