"""`syncline history`: why a row has its values: who wrote each, when, by which rule, and what lost."""

import asyncio
from collections import Counter
from typing import Annotated

import typer

from syncline.cli import facade
from syncline.cli.exits import Exit
from syncline.cli.facade import Report
from syncline.cli.options import ConfigOption, Json, with_config
from syncline.cli.render import Screen, moment, value_text
from syncline.config.load import load
from syncline.model.errors import UsageError

ORDER = ("offset", "time", "origin", "change")
BELOW = ("what", "decided")


def history(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[CONFIG] COLLECTION KEY...", help="The row; one word per part of the key.")
    ] = None,
    config: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Tell why a row has its values.

    Each value's origin and time, the rule that decided and what lost, in the log's order.
    """
    screen = Screen(as_json)
    path, rest = with_config(words or [], config)
    if len(rest) < 2:
        raise UsageError(
            "this verb needs COLLECTION and KEY", hint="write history [CONFIG] COLLECTION KEY, one word per part of the key"
        )
    collection, *key = rest
    records = asyncio.run(facade.hub_for(load(path, absent_ok=True)).history(collection, tuple(key)))
    screen.data({"collection": collection, "key": key, "history": records})
    if records:
        often = Counter(step.get("offset") for step in records)
        screen.records([_shown(step, often[step.get("offset")] > 1) for step in records], ORDER, only=True, below=BELOW)
        if max(often.values()) > 1:
            screen.say("steps of one offset were captured together; each has its place in the entry behind the point")
    else:
        screen.say(
            f"the log holds nothing about {collection} {', '.join(key)}: "
            "there is no such row, or nobody changed it since it was first there"
        )
    return Exit.OK


def _shown(step: Report, placed: bool) -> Report:
    """A step as a row of the table. What was given to one peer alone, as in a join, says to whom.

    `placed`: with its place in the entry, since other steps have the same offset.
    """
    offset = f"{step.get('offset')}.{step.get('row', 0)}" if placed else step.get("offset")
    change = f"{step.get('change', '')}, to {step['to']}" if step.get("to") else step.get("change")
    return {
        **step,
        "origin": _known_as(step),
        "offset": offset,
        "time": moment(step.get("time")),
        "change": change,
        "what": _what(step),
        "decided": _decided(step) or None,
    }


def _known_as(step: Report) -> str:
    """Who wrote it, by the name of then; and by the one of now, if the peer was renamed."""
    origin, now = str(step.get("origin", "")), step.get("now", {})
    return f"{origin} (now {now[origin]})" if origin in now else origin


def _what(step: Report) -> str:
    """What the step did to the row: changed fields, or the whole row."""
    if step.get("fields"):
        return "; ".join(f"{name}: {value_text(old)} -> {value_text(new)}" for name, (old, new) in step["fields"].items())
    row = step.get("after") or step.get("before") or {}
    return "; ".join(f"{name}: {value_text(value)}" for name, value in row.items()) or str(step.get("reason") or "")


def _decided(step: Report) -> str:
    """The rules that were asked, who won, and what lost; or what a person decided."""
    told = [_contest(one) for one in step.get("conflicts", [])]
    if step.get("settles"):
        by = f" ({step['by']})" if step.get("by") else ""
        what = f": {step['decision']}" if step.get("decision") else ""
        done = "closed before, decided anew" if step.get("reopened") else "settled"
        told.insert(0, f"conflict {', '.join(step['settles'])} {done} by a person{by}{what}")
    elif step.get("decision"):
        told.insert(0, f"{step['decision']} ({step['by']})" if step.get("by") else str(step["decision"]))
    return "; ".join(told)


def _contest(one: Report) -> str:
    """One conflict of a step: what stands, what lost, and whether somebody has to decide."""
    sides = "".join(
        f", lost {side.get('peer')} {value_text(side.get('value', side.get('row')))}" for side in one.get("loser", [])
    )
    waits = f"; open, next: syncline conflicts resolve {one.get('id')} --take PEER" if one.get("open") else ""
    return f"{one.get('field') or 'row'}: {one.get('rule')}, {one.get('winner')} stands{sides}{waits}"
