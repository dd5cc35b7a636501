"""Samples as Prometheus' text, by its own library. Source: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from syncline.observe.metrics import FAMILIES, Kind, Sample
from syncline.server.exchange import Answer

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


class _Samples(Collector):
    """Samples, as the library asks for them: grouped by family. Families without a sample are left out."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        made = {one.name: _made(one.kind)(one.name, one.help, labels=one.labels) for one in FAMILIES}
        for one in samples:
            made[one.family.name].add_metric(one.labels, one.value)
        self._families: list[Metric] = [one for one in made.values() if one.samples]

    def collect(self) -> Iterator[Metric]:
        """The families."""
        return iter(self._families)


def _made(kind: Kind) -> type[GaugeMetricFamily] | type[CounterMetricFamily]:
    return CounterMetricFamily if kind is Kind.COUNTER else GaugeMetricFamily


def exposed(samples: Iterable[Sample]) -> Answer:
    """The answer to a scrape."""
    return Answer(200, generate_latest(_Samples(samples)), TEXT)
