"""The page on monitoring tells every page, metric and alert that there is, and no other."""

import re

import yaml
from tests.architecture.documents import rows
from tests.architecture.source import ROOT

from syncline.model import limits
from syncline.observe.metrics import FAMILIES
from syncline.server.pages import PAGES

TEXT = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")


def test_every_page_is_told() -> None:
    assert set(rows(TEXT, "Pages")) == set(PAGES)


def test_every_metric_is_told_with_what_it_is_of() -> None:
    told = rows(TEXT, "Metrics")
    assert set(told) == {one.name for one in FAMILIES}
    of = {"space": ("space",), "peer": ("space", "peer"), "collection": ("space", "collection")}
    of["copy"] = ("space", "peer", "collection")
    for one in FAMILIES:
        what, *more = told[one.name][0].split(", ")
        assert one.labels == (*of[what], *(word.strip("`") for word in more)), one.name


def test_every_alert_is_told() -> None:
    rules = yaml.safe_load((ROOT / "docs/alerts.yaml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    assert set(rows(TEXT, "Alerts")) == {rule["alert"] for rule in rules}


def test_the_bounds_are_those_of_the_source() -> None:
    section = " ".join(TEXT.split("## What it may cost the hub")[1].split())
    numbers = [int(number) for number in re.findall(r"\d+", section)]
    assert numbers == [
        limits.HTTP_CONNECTIONS_MAX,
        *[limits.HTTP_TURNS_PER_SECOND_MAX] * 3,
        limits.HTTP_HEAD_BYTES_MAX // 1024,
        limits.HTTP_REQUEST_SECONDS_MAX,
    ]
