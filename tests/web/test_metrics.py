from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from gateway.web.metrics import Figures, as_text

FIGURES = Figures(
    queue={"queued": 3, "held": 1},
    oldest_waiting_seconds=61.5,
    books={"out": {"accepted": 9, "delivered": 5}, "in": {"fetched": 2}},
    differences={"out": 0, "in": 0},
    lanes_paused={"sign-in": 1},
    mailboxes={"ok": 7, "dead": 1},
    alerts={"waiting": 2, "sent": 5, "failed": 1},
)


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    """Every value by its name and its labels in the order of their names."""
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text.decode())
        for one in family.samples
    }


def test_every_figure_has_a_name_of_ours() -> None:
    found = samples(as_text(FIGURES, waiting_for=0))
    assert all(name.startswith("gateway_") for name, *_ in found)
    assert found["gateway_ready",] == 1
    assert found["gateway_queue_deliveries", "queued"] == 3
    assert found["gateway_oldest_waiting_seconds",] == 61.5
    assert found["gateway_books_total", "accepted", "out"] == 9
    assert found["gateway_books_total", "fetched", "in"] == 2
    assert found["gateway_books_difference", "out"] == 0
    assert found["gateway_lanes_paused", "sign-in"] == 1
    assert found["gateway_mailboxes", "dead"] == 1
    assert found["gateway_alerts_waiting",] == 2
    assert found["gateway_alerts_total", "sent"] == 5
    assert found["gateway_alerts_total", "failed"] == 1


def test_what_is_not_up_is_not_ready() -> None:
    assert samples(as_text(Figures(), waiting_for=2))["gateway_ready",] == 0
