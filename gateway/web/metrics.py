"""The figures of one moment as Prometheus text.

The names are a contract: operators build dashboards and alerts on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is measured; `books` are by page (out, route, hook, sent, capture, in) and entry."""

    queue: Mapping[str, int] = field(default_factory=dict)  # deliveries by state
    oldest_waiting_seconds: float = 0.0
    books: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    differences: Mapping[str, int] = field(default_factory=dict)  # by page; zero, or an alert
    lanes_paused: Mapping[str, int] = field(default_factory=dict)  # by who paused
    mailboxes: Mapping[str, int] = field(default_factory=dict)  # by state
    alerts: Mapping[str, int] = field(default_factory=dict)  # waiting, sent, failed


def as_text(figures: Figures, *, waiting_for: int) -> bytes:
    """Return the figures as Prometheus text; `waiting_for` counts what is not up yet."""
    registry = CollectorRegistry()
    registry.register(_Moment(figures, waiting_for))
    ProcessCollector(namespace="gateway", registry=registry)
    return generate_latest(registry)


class _Moment(Collector):
    def __init__(self, figures: Figures, waiting_for: int) -> None:
        self._figures = figures
        self._waiting_for = waiting_for

    def collect(self) -> Iterator[Metric]:
        figures = self._figures
        yield _gauge(
            "ready", "1 when every listener and worker is up", float(not self._waiting_for)
        )
        yield _gauges("queue_deliveries", "Recipients of the queue", "state", figures.queue)
        yield _gauge(
            "oldest_waiting_seconds",
            "Age of the oldest message that waits",
            figures.oldest_waiting_seconds,
        )
        yield _books(figures.books)
        yield _gauges(
            "books_difference", "Accepted less accounted for: always 0", "page",
            figures.differences,
        )  # fmt: skip
        yield _gauges("lanes_paused", "Ways out that are paused", "by", figures.lanes_paused)
        yield _gauges("mailboxes", "Watched mailboxes", "state", figures.mailboxes)
        yield _gauge("alerts_waiting", "Alerts not sent yet", figures.alerts.get("waiting", 0))
        yield _alerts(figures.alerts)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"gateway_{name}", what, value=value)


def _gauges(name: str, what: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"gateway_{name}", what, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _alerts(alerts: Mapping[str, int]) -> Metric:
    what = "Alerts that are done with: sent, or failed for good"
    family = CounterMetricFamily("gateway_alerts", what, labels=["outcome"])
    for outcome in ("sent", "failed"):
        family.add_metric([outcome], alerts.get(outcome, 0))
    return family


def _books(books: Mapping[str, Mapping[str, int]]) -> Metric:
    what = "What was accepted or fetched, and what became of it"
    family = CounterMetricFamily("gateway_books", what, labels=["page", "entry"])
    for page, entries in books.items():
        for entry, count in entries.items():
            family.add_metric([page, entry], count)
    return family
