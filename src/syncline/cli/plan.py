"""`syncline plan`: the dry run. What the first run would change at each peer, and which rows conflict."""

import asyncio

from syncline.cli import facade
from syncline.cli.advice import tell
from syncline.cli.exits import Exit
from syncline.cli.facade import Report
from syncline.cli.options import Config, ConfigOption, Json, config_path
from syncline.cli.prepare import space_of
from syncline.cli.render import Screen

PEER_ORDER = ("peer", "state", "rows_to_fill", "rows_to_copy", "differing", "deletes")
CONFLICT_ORDER = ("collection", "key", "field", "rule", "winner")


def plan(config: Config = None, option: ConfigOption = None, as_json: Json = False) -> int:
    """Show what the first run would do at each peer. Changes nothing."""
    screen = Screen(as_json)
    space = space_of(config_path(config, option))
    report = asyncio.run(facade.hub_for(space).plan())
    screen.data(report)
    peers = report.get("peers", {})
    screen.records(({"peer": name, **_without_statements(peer)} for name, peer in peers.items()), PEER_ORDER)
    collections = report.get("collections", {})
    if collections:
        screen.say("")
        screen.records(_by_peer(collections), ("collection", "peer", *PEER_ORDER[2:]))
    for name, peer in peers.items():
        for statement in peer.get("statements", []):
            screen.say(f"{name}: {statement}")
    tell(screen, report.get("advice", []), space.path)
    conflicts = report.get("conflicts", [])
    if conflicts:
        screen.say("")
        screen.records(conflicts, CONFLICT_ORDER, title="rows that differ, and the rule that settles them")
    return Exit.OK


def _without_statements(peer: Report) -> Report:
    return {name: value for name, value in peer.items() if name != "statements"}


def _by_peer(collections: Report) -> list[Report]:
    """A row per collection and peer."""
    return [
        {"collection": name, "peer": peer, **counts} for name, found in collections.items() for peer, counts in found.items()
    ]
