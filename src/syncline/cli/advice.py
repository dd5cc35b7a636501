"""Advice for people: what is the same is told once, for all whom it concerns; the whole list on demand. JSON has always all."""

from collections.abc import Sequence
from typing import Final

from syncline.cli.facade import Report
from syncline.cli.render import Screen
from syncline.model.words import counted

NAMES_MAX: Final = 6


def tell(screen: Screen, advice: Sequence[Report], config: str, *, everything: bool = False) -> None:
    """Say advice, as errors tell themselves as JSON. What concerns whole peers and tables comes before columns."""
    groups: dict[tuple[str, ...], list[Report]] = {}
    for one in advice:
        groups.setdefault(_same(one), []).append(one)
    ordered = sorted(groups.values(), key=lambda group: "column" in group[0]["where"])
    for group in ordered:
        for line in [_text(one) for one in group] if everything or len(group) == 1 else [_together(group)]:
            screen.say(line)
    if not everything and len(groups) < len(advice):
        screen.say(
            f"{counted(len(advice), 'piece of advice', 'pieces of advice')}; each by itself: syncline check {config} --all"
        )


def _same(one: Report) -> tuple[str, ...]:
    """What makes advice one group: a peer's columns, or the same words."""
    if "column" in one["where"]:
        return "column", one["where"].get("peer", "")
    return one["what"], one["why"], one["fix"], one["where"].get("collection", "")


def _together(group: Sequence[Report]) -> str:
    peers = list(dict.fromkeys(one["where"]["peer"] for one in group if "peer" in one["where"]))
    first = {**group[0], "where": {name: value for name, value in group[0]["where"].items() if name != "peer"}}
    if "column" not in first["where"]:
        return _text({**first, "where": {**first["where"], ("peers" if len(peers) > 1 else "peer"): ", ".join(peers)}})
    columns = list(dict.fromkeys(f"{one['where'].get('collection')}.{one['where']['column']}" for one in group))
    named = ", ".join(columns[:NAMES_MAX])
    more = f" and {len(columns) - NAMES_MAX:,} more" if len(columns) > NAMES_MAX else ""
    what = counted(len(columns), "column cannot", "columns cannot") + " hold some of the values that other peers' can"
    return f"{first['code']} {what} (peer {', '.join(peers)}): a row with one is parked there: {named}{more}"


def _text(one: Report) -> str:
    """As Problem.text has it."""
    spot = f"{one['file']}:{one['line']}: " if one.get("file") and one.get("line") else ""
    where = ", ".join(f"{name} {value}" for name, value in one["where"].items())
    why, fix = f": {one['why']}" if one["why"] else "", f". Fix: {one['fix']}" if one["fix"] else ""
    return f"{spot}{one['code']} {one['what']}{f' ({where})' if where else ''}{why}{fix}"
