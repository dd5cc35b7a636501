"""Automatic repair: what a scheduled proof found, as far as the configuration allows it; else an alarm, and nothing is done."""

from collections.abc import Sequence
from typing import Any

import msgspec

from syncline.compare.repair import RepairPolicy, classify, read_policy
from syncline.engine.core import Engine
from syncline.hub.pipeline import LivePipeline
from syncline.hub.repair_plan import RepairPlan, Rough
from syncline.hub.repairing import Carrier, Left, Receivers
from syncline.hub.telling import by_policy, silent_of, told_of
from syncline.model.errors import RepairCapped
from syncline.model.event import Event, Listener
from syncline.model.space import AutoRepair
from syncline.model.words import counted
from syncline.peers.protocol import Peer
from syncline.reconcile.verify import Difference

Report = dict[str, Any]


class AutoRepaired(msgspec.Struct, frozen=True):
    """What came of it. `id`: of the repair, 0 if none was made. `alarm`: why nothing was done though it was allowed.

    `others`: differences of classes that are not repaired by themselves; `left`: rows that the policy leaves, or that changed.
    """

    id: int = 0
    repaired: int = 0
    others: int = 0
    left: tuple[Left, ...] = ()
    alarm: Report | None = None


async def auto_repair(
    engine: Engine, receivers: Receivers, drifted: Sequence[Difference], spec: AutoRepair, emit: Listener, found: int = 0
) -> AutoRepaired:
    """Repair the drift of one proof. Beyond the cap or the brake nothing is, and `repair.capped` is told. Raises PeerError.

    `found`: how many rows differ in all, where `drifted` lists only the first of them.
    """
    policy = read_policy(spec.policy) or RepairPolicy()
    plan = RepairPlan(policy, engine.state.head)
    others = 0
    for collection in engine.plan.collections.values():
        some = [one for one in drifted if one.collection == collection.name and one.state == "drift"]
        if not some:
            continue
        told = await told_of(engine.log, collection.name, {one.key for one in some})
        decide, part = by_policy(engine.plan, policy), Rough(collection)
        for one in some:
            kind = classify(one.rows, told.get(one.key), silent_of(engine.plan, collection.name, one.rows))
            if kind not in spec.classes:
                others += 1
                continue
            outcome = decide(collection, one.key, one.rows, told.get(one.key))
            if outcome.left:
                plan.left.append(Left(collection.name, one.key, outcome.left))
            else:
                part.add(outcome, kind)
        part.rows = {peer.name: await _count(peer, collection.table_at(peer.name)) for peer in receivers(collection)}
        plan.parts.append(part)
    alarm = _alarm(engine, plan, spec, max(plan.rows, found - others - len(plan.left)))
    if alarm is not None:
        emit(Event("repair.capped", count=plan.rows, detail=alarm))
        return AutoRepaired(others=others, left=tuple(plan.left), alarm=alarm)
    carrier = Carrier(engine, receivers, LivePipeline(engine), by_policy(engine.plan, policy), policy.text, by="automatic")
    for part in plan.parts:
        await carrier.carry(part.collection, part.wanted())
    done = carrier.done
    if done.repaired:
        emit(Event("repair.made", count=done.repaired, detail={"id": str(done.id), "policy": policy.text}))
    return AutoRepaired(done.id, done.repaired, others, (*plan.left, *done.left))


def _alarm(engine: Engine, plan: RepairPlan, spec: AutoRepair, rows: int) -> Report | None:
    """Why it is not done by itself; None if nothing stands against it."""
    verb = "syncline repair" if plan.policy == RepairPolicy() else f"syncline repair --policy {plan.policy.text}"
    hint = f"look at '{verb}', find the cause, then carry it out: '{verb} --yes'"
    if rows > spec.cap:
        what, why = f"{counted(spec.cap, 'row')} may be repaired without asking, {rows:,} differ", "nothing was repaired"
        return RepairCapped(what, why=why, hint=hint).as_json()
    over = plan.over(engine.settings)
    if over:
        peer, name, deletes, have = over[0]
        what, why = f"{deletes:,} of {counted(have, 'row')} would be deleted without asking", "the brake asks a person first"
        return RepairCapped(what, why=why, hint=hint, peer=peer, collection=name).as_json()
    return None


async def _count(peer: Peer, table: str) -> int:
    found = (await peer.inspect()).get(table)
    return found.rows_estimate if found is not None else 0
