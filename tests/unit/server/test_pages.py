"""The pages over real sockets: what each answers, what is refused and how, and that nothing secret leaves."""

import asyncio
import json
import time
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.observe.reports import Report, copy, peer, proof, status
from tests.unit.server.space import HERE, Space, site

from syncline.config import secrets
from syncline.model.errors import LogDamaged, SynclineError
from syncline.model.limits import HTTP_LOOK_OLD_SECONDS
from syncline.observe.metrics import FAMILIES
from syncline.server import pages
from syncline.server.door import Door
from syncline.server.exchange import Answer, told
from syncline.server.look import Look
from syncline.server.pages import PAGES, Pages

RED = status(peers={"van": peer(collections={"customers": copy(proof=proof("drift", True, cause="2 rows differed"))})})


def test_every_page_is_answered_and_the_space_is_asked_in_its_own_thread() -> None:
    space = Space()
    with site(space) as here:
        for path, page in PAGES.items():
            found = here.get(path)
            assert (found.status, found.headers["content-type"]) == (200, page.kind), path
            assert found.headers["cache-control"] == "no-store"
            assert not [name for name in found.headers if name.startswith("access-control")]
        assert here.get("/healthz").data == {"up": True}
        assert here.get("/readyz").data == {"ready": True, "space": "crm", "causes": []}
        assert here.get("/v1/status").data == status()
        assert here.get("/v1/drift").data == {"listed": "open", "incidents": [{"id": "9.0", "open": True}]}
        assert here.get("/metrics?name=x").status == 200
    assert space.asked < 5, "looks are shared and kept for a moment"
    assert len(space.threads) == 1


def test_the_metrics_are_text_that_prometheus_reads() -> None:
    report = status(space='c"r\\m', peers={"hq": peer(), "van": peer(collections={"a\nb": copy(lag_seconds=None)})})
    with site(Space(report)) as here:
        text = here.get("/metrics").body.decode()
    families = {one.name: one for one in text_string_to_metric_families(text)}
    known = {one.name: one for one in FAMILIES}
    found = {}
    for family in families.values():
        for sample in family.samples:
            assert family.documentation == known[sample.name].help
            assert family.type == known[sample.name].kind.value
            found[sample.name, frozenset(sample.labels.items())] = sample.value
    assert found["syncline_lag_entries", frozenset({"space": 'c"r\\m', "peer": "van", "collection": "a\nb"}.items())] == 12
    assert [labels for name, labels in found if name == "syncline_lag_seconds"] == [
        frozenset({"space": 'c"r\\m', "peer": "hq", "collection": "customers"}.items())
    ]


def test_a_red_copy_is_no_readiness_and_its_cause_is_named() -> None:
    with site(Space(RED)) as here:
        found = here.get("/readyz")
        assert (found.status, found.data["ready"]) == (503, False)
        assert found.data["causes"] == [
            {"peer": "van", "collection": "customers", "standing": "drift", "why": "2 rows differed"}
        ]
        assert here.get("/healthz").status == 200


def test_what_was_seen_long_ago_is_no_readiness() -> None:
    async def report() -> Report:
        return status()

    async def incidents() -> list[Report]:
        return []

    async def story() -> None:
        here = asyncio.get_running_loop()
        look = Look(report, here, kept=1000.0)
        asked = Pages(look, Look(incidents, here), Door(HERE.place, HERE.token))
        assert (await asked.readiness()).status == 200
        seen = await look.now()
        look._seen = seen._replace(moment=seen.moment - timedelta(seconds=HTTP_LOOK_OLD_SECONDS + 1))
        found = await asked.readiness()
        assert found.status == 503
        assert b"the last look at the space was begun 31 s ago" in found.body

    asyncio.run(story())


@pytest.mark.parametrize("path", ["/", "/metrics/", "/v1", "/v1/status/x", "/../etc/passwd", "//metrics", "/%6detrics", "*"])
def test_another_page_is_not_found_and_the_pages_are_told(path: str) -> None:
    with site(Space()) as here:
        found = here.get(path)
        assert found.status == 404
        assert found.data["error"]["code"] == "SYN-H01"
        assert "/metrics" in found.data["error"]["fix"]
        assert found.data["problems"] == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FLY"])
def test_nothing_is_changed_whatever_is_sent(method: str) -> None:
    space = Space()
    with site(space) as here:
        found = here.get("/v1/status", method)
        assert (found.status, found.headers["allow"], found.data["error"]["code"]) == (405, "GET, HEAD", "SYN-H01")
    assert space.asked == 0


def test_an_answer_is_made_once_for_all_who_ask_within_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    def told_and_counted(report: object, *rest: int) -> Answer:
        made.append(report)
        return told(report, *rest)

    monkeypatch.setattr(pages, "told", told_and_counted)
    space = Space()
    with site(space) as here:
        assert len({here.get("/v1/status").body for _ in range(20)}) == 1
        assert len(made) == space.asked < 5
        space.report = status(space="other")
        deadline = time.monotonic() + 20
        while here.get("/v1/status").data["space"] != "other":
            assert time.monotonic() < deadline, "what is kept is not kept for ever"
            time.sleep(0.05)


def test_head_is_get_without_the_body() -> None:
    with site(Space()) as here:
        got, head = here.get("/v1/status"), here.get("/v1/status", "HEAD")
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(got.body)))


def test_a_space_that_cannot_be_looked_at_is_told_as_the_verbs_tell_it() -> None:
    error = LogDamaged("a frame fails its checksum", hint="restore the log", log="crm.log.db")
    with site(Space(error=error)) as here:
        for path in ("/readyz", "/metrics", "/v1/status", "/v1/drift"):
            found = here.get(path)
            assert (found.status, found.data) == (503, {"error": error.as_json(), "problems": []})
        assert here.get("/healthz").status == 200


def test_a_bug_in_an_answer_is_told_and_the_next_answer_is_given() -> None:
    with site(Space({"space": "crm"})) as here:
        for _ in range(2):
            found = here.get("/metrics")
            assert (found.status, found.data["error"]["code"]) == (500, SynclineError.code)
            assert "Traceback" not in found.body.decode()
        assert here.get("/v1/status").status == 200


def test_a_secret_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(secrets, "_known", set())
        secrets.remember("CaNaRy-93x")
        reason = "SYN-P09: postgresql://sync:CaNaRy-93x@hq/crm: password CaNaRy-93x is wrong"
        report = status(peers={"hq": peer(reason=reason, collections={"c": copy(proof=proof("away", True, cause=reason))})})
        with site(Space(report)) as here:
            for path in PAGES:
                assert b"CaNaRy" not in here.get(path).body, path
            assert "***" in here.get("/v1/status").data["peers"]["hq"]["reason"]


def test_the_description_has_every_page_and_names_the_form_of_errors() -> None:
    with site(Space()) as here:
        found = here.get("/v1/openapi.json").data
    assert found["openapi"].startswith("3.1")
    assert set(found["paths"]) == set(PAGES)
    assert found["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    names = [path["get"]["operationId"] for path in found["paths"].values()]
    assert len(set(names)) == len(PAGES)
    for path, methods in found["paths"].items():
        assert set(methods) == {"get"}
        assert set(map(str, PAGES[path].answers)) <= set(methods["get"]["responses"])
    assert json.dumps(found).count("#/components/schemas/Failed") > len(PAGES)
