"""`syncline repair`: what would make the peers equal again, and by which policy; then, asked for, through the log."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from syncline.cli import facade
from syncline.cli.board import watch
from syncline.cli.exits import Exit
from syncline.cli.facade import Facade, Report
from syncline.cli.feed import Feed
from syncline.cli.options import CollectionWords, ConfigOption, Json, with_config
from syncline.cli.prepare import space_of
from syncline.cli.render import Screen, moment, value_text
from syncline.config.load import load
from syncline.hub.repair_plan import carried
from syncline.hub.repairs import Wish
from syncline.model.errors import UsageError
from syncline.model.limits import REPAIR_PLAN_BYTES_MAX, REPAIR_ROWS_MAX
from syncline.model.value import INT64_MAX
from syncline.model.words import counted, plainly

SHOWN_ROWS = 20
SHOWN_CHARS = 80  # of a value
HEADERS = ("collection", "peer", "insert", "update", "delete")
PolicyWord = Annotated[
    str,
    typer.Option("--policy", metavar="POLICY", help="merge, authority:PEER, upsert:PEER, insert:PEER or insert."),
]


def repair(
    words: CollectionWords = None,
    policy: PolicyWord = "merge",
    rows_max: Annotated[int, typer.Option("--max", min=1, metavar="N", help="Refuse more rows than that.")] = REPAIR_ROWS_MAX,
    yes: Annotated[bool, typer.Option("--yes", help="Carry the plan out; without it nothing is changed.")] = False,
    approve: Annotated[bool, typer.Option("--approve", help="Also deletes that the brake would hold back.")] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Keep the plan in this file.")] = None,
    plan: Annotated[Path | None, typer.Option("--plan", metavar="FILE", help="A plan that was kept.")] = None,
    undo: Annotated[str | None, typer.Option("--undo", metavar="ID", help="Take a repair back.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the repairs that the log knows.")] = False,
    config: ConfigOption = None,
    as_json: Json = False,
) -> int:
    """Compare all peers and plan what makes them equal; changes nothing without --yes.

    COLLECTION: only these; without one, all. Exits 1 while differences remain.
    """
    screen = Screen(as_json)
    path, collections = with_config(words or [], config)
    if plan is not None and (undo is not None or collections):
        raise UsageError("a plan that was kept says by itself what to do", hint="give --plan alone, with --yes")
    if listing:
        return _list(screen, facade.hub_for(load(path, absent_ok=True)))
    kept = _read(plan) if plan is not None else None
    undone, listed = _id(undo) if undo is not None else 0, as_json or out is not None
    wish = Wish(tuple(collections), policy, rows_max, yes, approve, kept, undone, listed=listed)
    report = asyncio.run(_repair(facade.hub_for(space_of(path)), wish, screen))
    if out is not None:
        _write(out, report["plan"])
    screen.data(report)
    _show(screen, report)
    if not report.get("done") and report["plan"]["rows"]:
        how = f": syncline repair --plan {out} --yes" if out is not None else " --yes"
        screen.say(f"nothing was changed; carry it out with{how}")
    return Exit.OK if report.get("equal") else Exit.DIFFERENT


async def _repair(hub: Facade, wish: Wish, screen: Screen) -> Report:
    feed = Feed()
    return await watch(screen, feed, hub.repair(wish, feed))


def _list(screen: Screen, hub: Facade) -> int:
    found = asyncio.run(hub.repairs())
    screen.data({"repairs": found})
    if not found:
        screen.say("no repairs")
        return Exit.OK
    shown = [{**one, "time": moment(one.get("time")), "collections": ", ".join(one.get("collections", {}))} for one in found]
    screen.records(shown, ("id", "time", "by", "policy", "rows", "collections", "undone_by"), only=True)
    screen.say("take one back: syncline repair --undo ID")
    return Exit.OK


def _id(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text[:20]) <= INT64_MAX:
        return int(text)
    raise UsageError(f"{text} is not the id of a repair", hint="ids are numbers; see 'syncline repair --list'")


def _read(path: Path) -> dict[str, Any]:
    """A plan's file, as far as it is needed to carry the plan out. Raises UsageError."""
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(REPAIR_PLAN_BYTES_MAX))
    except (OSError, ValueError) as error:
        raise UsageError(f"the plan {path} cannot be read", why=plainly(error), hint="make one with --out FILE") from error
    try:
        return carried(data)
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is no plan of a repair", hint="make one with --out FILE") from error


def _write(path: Path, plan: Report) -> None:
    """One row a line, so that large plans can be written, looked at and compared piece by piece."""
    if plan.get("repairs_not_listed") and "marks" not in plan:
        hint = "name collections, plan it while no hub runs, or carry it out at once, with --yes"
        raise UsageError("the plan is too large for the running hub to tell", hint=hint)
    try:
        with path.open("w", encoding="utf-8") as file:
            file.write("{\n")
            for name, value in plan.items():
                if name != "repairs":
                    file.write(f"{json.dumps(name)}: {json.dumps(value)},\n")
            file.write('"repairs": [')
            for place, row in enumerate(plan["repairs"]):
                file.write(f"{',' if place else ''}\n{json.dumps(row)}")
            file.write("\n]}\n")
    except OSError as error:
        raise UsageError(f"the plan cannot be written to {path}", why=plainly(error), hint="name another file") from error


def _show(screen: Screen, report: Report) -> None:
    plan, done = report["plan"], report.get("done")
    undoes = plan.get("undoes")
    words = f"take back; undo of repair {undoes}" if undoes else f"repair; policy {plan['policy']}"
    screen.say(f"{counted(plan['rows'], 'row')} to {words}; made at {plan['head']} of the log")
    counts = [
        (name, peer, *(steps[word] for word in HEADERS[2:]))
        for name, part in plan["collections"].items()
        for peer, steps in part["peers"].items()
        if any(steps.values())
    ]
    if counts:
        screen.table(HEADERS, counts)
    if done is None:
        _show_rows(screen, plan["repairs"], plan["rows"])
    for one in (done or plan)["left"][:SHOWN_ROWS]:
        said = "nothing to do" if one.get("idle") else "left as it is"
        screen.say(f"{said}: {one['collection']} {value_text(one['key'])}: {one['why']}", style="yellow")
    for name in plan["not_compared"]:
        screen.say(f"{name} was not compared: {plan['why_not_compared'].get(name)}. See: syncline status", style="yellow")
    for one in [] if done else report["refused"]:
        screen.say(f"would be refused: {one['what']}: {one['why']}. Fix: {one['fix']}", style="red")
    if done:
        running = report.get("hub", {}).get("running")
        travels = "it travels now" if running else "what has not arrived yet travels with the next run"
        named = f"; repair {done['id']}, {travels}" if done["id"] else ""
        verb = "taken back" if undoes else "repaired"
        screen.say(f"{counted(done['repaired'], 'row')} {verb} through the log{named}", style="cyan")
    elif report.get("equal"):
        screen.say("nothing to take back" if undoes else "equal: nothing to repair", style="green")


def _show_rows(screen: Screen, rows: list[Report], count: int) -> None:
    for one in rows[:SHOWN_ROWS]:
        screen.say(f"{one['collection']} {value_text(one['key'])} ({one['class']})")
        for peer, step in one["peers"].items():
            if step["does"] != "nothing":
                screen.say(f"  {peer}: {step['does']}{_fields(step)}")
    if count > min(SHOWN_ROWS, len(rows)):
        screen.say(f"and {counted(count - min(SHOWN_ROWS, len(rows)), 'row')} more; --out FILE or --json has all")


def _fields(step: Report) -> str:
    if "row" in step:
        return " " + ", ".join(f"{name} {_short(value)}" for name, value in step["row"].items())
    fields = step.get("fields", {})
    return " " + ", ".join(f"{name} {_short(old)} -> {_short(new)}" for name, (old, new) in fields.items()) if fields else ""


def _short(value: object) -> str:
    text = value_text(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}... ({len(text):,} characters)"
