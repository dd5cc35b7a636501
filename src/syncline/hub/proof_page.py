"""The page of a proof report: one HTML file for people, with what the JSON says. No network, no script."""

from collections.abc import Mapping, Sequence
from typing import Final

from syncline.hub.markup import Html, Part, joined, tag
from syncline.hub.proof_style import STYLE
from syncline.model.words import counted, lasted
from syncline.reconcile.report import PROVEN, CollectionPart, Comparison, Copy, IncidentPart, ParkedPart, ProofReport, UnderWay

TONES: Final[Mapping[str, str]] = {
    "in sync": "good", "behind": "wait", "not known": "wait", "differs": "bad", "unproven": "none", "sends": "none",
}  # fmt: skip
MARKS: Final[Mapping[str, str]] = {"in sync": "\u2713", "behind": "\u2192", "not known": "?", "differs": "!", "unproven": "?"}
CHIPS: Final[Mapping[str, str]] = {"unproven": "not proven", "sends": "only sends", "not known": "not known now"}
WORDS: Final[Mapping[str, str]] = {"equal": "in sync", "not equal": "differs", "nothing proven": "unproven"}
BEHIND_MAX: Final = 94  # percent: a bar that is not full looks so
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def page(report: ProofReport, public_key: str, key_id: str, signature: str, sha256: str) -> str:
    """The page. `sha256`: of the JSON file that it belongs to."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"Proof of {report.space}, {_day(report.made.at)}"),
        tag("style", Html(STYLE)),
    )
    body = tag(
        "main",
        _top(report),
        _hero(report),
        _facts(report),
        *(_collection(name, part, report) for name, part in report.collections.items()),
        _peers(report),
        _meaning(report),
        _seal(report, public_key, key_id, signature, sha256),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', body), lang='en')}\n"


def _top(report: ProofReport) -> Html:
    made = tag("span", f"{_time(report.made.at)}, by Syncline {report.made.version}")
    return tag("div", tag("span", "Proof report of ", tag("b", report.space)), made, class_="top")


def _hero(report: ProofReport) -> Html:
    headline = {
        "in sync": "Everything was equal",
        "behind": "Not proven to the end yet",
        "not known": "Not every copy is known now",
        "differs": "Not equal",
    }.get(report.standing, "Not everything is proven")
    made = [part.through_at for part in report.collections.values() if part.through_at is not None]
    times = []
    if made and report.standing in PROVEN:
        times.append(f"The last change that this covers everywhere was made {_time(min(made))}.")
    times.append(f"{_last_compared(report)} {_last_full(report)}")
    words = joined(tag("h1", headline), tag("p", report.words), tag("p", " ".join(times), class_="when"), _fresh(report))
    mark = tag("span", MARKS.get(report.standing, "?"), class_="mark", aria_hidden="true")
    return tag("div", mark, tag("div", words), class_=f"hero {_tone(report.standing)}")


def _last_compared(report: ProofReport) -> str:
    """Since when the copies are known: a report is no newer than the oldest comparison that it stands on."""
    copies = [one for part in report.collections.values() for one in part.copies.values() if one.standing in PROVEN]
    times = sorted(one.compared_at for one in copies if one.compared_at is not None)
    if not times:
        return "When copies were compared is not known."
    between = f" between {_time(times[0])} and {_time(times[-1])}" if times[0][:19] != times[-1][:19] else f" {_time(times[0])}"
    return f"The copies that count were last compared{between}."


def _last_full(report: ProofReport) -> str:
    times = [part.full.at if part.full is not None else None for part in report.collections.values()]
    if None in times or not times:
        return "Not every collection was ever compared in full."
    known = sorted(_time(one) for one in times if one is not None)
    if known[0] == known[-1]:
        return f"The last full comparison is of {known[0]}."
    return f"The last full comparisons of the collections are of {known[0]} to {known[-1]}."


def _fresh(report: ProofReport) -> Html | None:
    if report.fresh is None:
        return None
    found = "and were equal" if report.fresh.equal else "and were not all proven equal"
    away = "".join(f" {name} was not compared: {why}." for name, why in report.fresh.not_compared.items())
    return tag("p", f"{counted(report.fresh.rows, 'row')} were compared for this report {found}.{away}", class_="when")


def _facts(report: ProofReport) -> Html:
    copies = [one for part in report.collections.values() for one in part.copies.values() if one.standing != "sends"]
    complete = sum(one.standing == "in sync" for one in copies)
    rows = sum(part.full.rows for part in report.collections.values() if part.full is not None)
    incidents = [one for part in report.collections.values() for one in part.incidents]
    facts = (
        ("Copies in sync", f"{complete:,} of {len(copies):,}"),
        ("Rows fully compared", f"{rows:,}"),
        ("Rows parked", f"{sum(one.rows for part in report.collections.values() for one in part.parked):,}"),
        ("Incidents open", f"{sum(one.closed is None for one in incidents):,} of {len(incidents):,}"),
        ("Last change", f"entry {report.log.last_change:,}"),
    )
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts), class_="facts")


# -- a collection -----------------------------------------------------------------------------------------------------------


def _collection(name: str, part: CollectionPart, report: ProofReport) -> Html:
    return tag(
        "section",
        tag("div", tag("h2", name), _chip(part.standing), class_="head"),
        tag("p", _lead(part), class_="lead"),
        _matrix(part.copies, report.log.last_change),
        _pairs(
            ("Last full comparison", _comparison(part.full)),
            ("Last comparison", _comparison(part.last) if part.last != part.full else None),
            ("Full comparison under way", _under_way(part.under_way)),
            ("Open conflicts", f"{part.conflicts_open:,} of {part.conflicts_ever:,} ever"),
            ("Columns", ", ".join(part.columns) or "not known yet"),
        ),
        *_parked(part.parked),
        *_incidents(part.incidents),
    )


def _lead(part: CollectionPart) -> str:
    if part.through is None:
        unknown = any(one.standing == "not known" for one in part.copies.values())
        return "Not every copy is known now." if unknown else "Not every copy has a proof."
    when = f", a change made {_time(part.through_at)}" if part.through_at else ""
    return f"All copies were compared and equal through entry {part.through:,}{when}."


def _under_way(one: UnderWay | None) -> str | None:
    if one is None:
        return None
    return f"{counted(one.rows, 'row')} so far, begun {_time(one.began)}: it proves nothing until it is through"


def _matrix(copies: Mapping[str, Copy], last_change: int) -> Html:
    rows = []
    for peer, one in copies.items():
        proven = one.through is not None
        reached = min(BEHIND_MAX, 100 * (one.through or 0) // last_change) if last_change else 0
        share = 100 if proven and (one.through or 0) >= last_change else reached
        told = f"{share}% of the log's history is proven"
        bar = tag("span", tag("i", style=f"width:{share}%"), class_="bar", role="img", aria_label=told, title=told)
        words = joined(_chip(one.standing), tag("small", one.why) if one.why else None)
        cells = (
            ("Copy", tag("b", peer)),
            ("Standing", tag("div", words)),
            ("Proven", bar if one.standing not in ("sends", "not known") else tag("span", "\u2013")),
            ("Last compared", tag("span", _time(one.compared_at) if one.compared_at is not None else "\u2013")),
            ("Through entry", tag("span", one.through if proven else "\u2013")),
        )
        numbers = [tag("td", value, data_label=label, **_class(label)) for label, value in cells]
        rows.append(tag("tr", *numbers, class_=_tone(one.standing)))
    return _table(("Copy", "Standing", "Proven", "Last compared", "Through entry"), rows, "matrix")


def _comparison(one: Comparison | None) -> Html | None:
    if one is None:
        return None
    found = ", ".join(f"{count:,} {state}" for state, count in one.unequal.items())
    took = lasted(one.microseconds / 1e6) if one.microseconds >= 2_000_000 else f"{one.microseconds / 1000:,.0f} ms"
    by = f" ({one.algorithm})" if one.algorithm else ""
    late = f"; behind: {', '.join(one.behind)}" if one.behind else ""
    first = tag(
        "div",
        tag("b", one.result),
        f": {found}" if found else None,
        f", {_time(one.at)}",
        class_=_tone(WORDS.get(one.result, "")),
    )
    what = "rows that changed" if one.mode == "steady" else "a sample" if one.mode == "sampled" else "all rows"
    work = (
        f"{what}: {counted(one.rows, 'row')}, compared by {counted(one.ranges, 'digest')}{by} in {took}; "
        f"each copy had entry {one.start:,} when it began"
    )
    return joined(first, tag("div", work, class_="soft"), tag("div", f"{', '.join(one.peers)}{late}", class_="soft"))


def _parked(parked: Sequence[ParkedPart]) -> list[Html]:
    if not parked:
        return []
    rows = [
        tag(
            "tr",
            tag("td", tag("b", one.peer), data_label="Peer"),
            tag("td", tag("code", one.code), data_label="Refused as"),
            tag("td", tag("span", one.given_up), data_label="Given up", class_="number"),
            tag("td", tag("span", one.rows), data_label="Rows", class_="number"),
        )
        for one in parked
    ]
    return [tag("h3", "Parked: rows that a peer refused"), _table(("Peer", "Refused as", "Given up", "Rows"), rows)]


def _incidents(incidents: Sequence[IncidentPart]) -> list[Html]:
    return [tag("h3", "Incidents"), *map(_incident, incidents)] if incidents else []


def _incident(one: IncidentPart) -> Html:
    at = f" at {', '.join(one.peers)}" if one.peers else ""
    before = f"proven equal through entry {one.first:,}" if one.first else "never proven equal before"
    ended = f"Over at entry {one.closed:,}, {_time(one.closed_at or '')}: {one.how}." if one.closed is not None else None
    return tag(
        "div",
        tag("p", _chip("differs", "open") if one.closed is None else _chip("in sync", "over"), " ",
            tag("b", f"{counted(one.rows, 'row')}{at}: {one.cause}")),
        tag("p", f"Incident {one.id}, found at entry {one.last:,}, {_time(one.found_at)}; {before}.", class_="soft"),
        tag("p", f"Likely cause: {one.why}."),
        tag("p", f"Remedy: {one.remedy}.") if one.closed is None else tag("p", ended),
        class_=f"case {'bad' if one.closed is None else 'good'}",
    )  # fmt: skip


# -- the rest ---------------------------------------------------------------------------------------------------------------


def _peers(report: ProofReport) -> Html:
    rows = [
        tag(
            "tr",
            tag("td", tag("b", name), data_label="Peer"),
            tag("td", tag("div", one.kind, tag("small", one.address)), data_label="Where"),
            tag("td", tag("span", one.now), data_label="Now"),
            tag("td", tag("div", one.stage, tag("small", one.incarnation)), data_label="Stage, life"),
            tag("td", tag("span", one.watermark), data_label="Has entry", class_="number"),
        )
        for name, one in report.peers.items()
    ]
    log = report.log
    trimmed = f"; up to {log.floor:,} it is trimmed" if log.floor else ""
    known = joined(" Fingerprint of the last: ", tag("span", log.fingerprint, class_="mono")) if log.fingerprint else None
    return tag(
        "section",
        tag("h2", "Peers and log"),
        tag("p", f"The log has entries up to {log.head:,}{trimmed}.", known, class_="lead"),
        _table(("Peer", "Where", "Now", "Stage, life", "Has entry"), rows),
    )


def _meaning(report: ProofReport) -> Html:
    return tag(
        "section",
        tag("h2", "What this means, and what it does not"),
        tag("p", report.digests, class_="lead"),
        tag("h3", "Not claimed"),
        tag("ul", *(tag("li", one) for one in report.not_claimed)),
    )


def _seal(report: ProofReport, public_key: str, key_id: str, signature: str, sha256: str) -> Html:
    chain = report.chain
    before = tag("span", chain.previous, class_="mono") if chain.previous is not None else "none: it is the first"
    parts: tuple[tuple[str, Part], ...] = (
        ("SHA-256 of the JSON file", tag("span", sha256, class_="mono")),
        ("Signed with key", tag("span", key_id, class_="mono")),
        ("Public key (Ed25519)", tag("span", public_key, class_="mono")),
        ("Signature", tag("span", signature, class_="mono")),
        ("Report number with this key", chain.number),
        ("SHA-256 of the report before it", before),
    )
    return tag(
        "section",
        tag("h2", "Signature"),
        tag("p", "This page shows what the JSON file says; only that file is signed. Check it, with the public key as you got "
            "it from whom you trust:", class_="lead"),
        tag("pre", f"syncline proof check FILE.json --public-key {public_key}"),
        tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in parts), class_="seal"),
    )  # fmt: skip


def _chip(standing: str, word: str = "") -> Html:
    return tag("span", word or CHIPS.get(standing, standing), class_=f"chip {_tone(standing)}")


def _tone(standing: str) -> str:
    return TONES.get(standing, "none")


def _table(headers: Sequence[str], rows: Sequence[Html], kind: str = "list") -> Html:
    return tag(
        "table", tag("thead", tag("tr", *(tag("th", one, **_class(one)) for one in headers))), tag("tbody", *rows), class_=kind
    )


def _class(header: str) -> dict[str, str]:
    return {"class_": "number"} if header in ("Through entry", "Has entry", "Rows", "Given up") else {}


def _pairs(*pairs: tuple[str, Part]) -> Html:
    shown = [(name, value, {"class_": "wide"} if "comparison" in name else {}) for name, value in pairs if value]
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value), **wide) for name, value, wide in shown), class_="pairs")


def _time(moment: str) -> str:
    """A moment of a report for people, to the second."""
    return f"{moment[:19].replace('T', ' ')} UTC" if moment.endswith("Z") else moment


def _day(moment: str) -> str:
    return moment[:10]
