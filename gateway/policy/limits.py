"""Pure: [limits], [spam] and [virus] of the configuration -> the limits of a chain."""

from __future__ import annotations

from dataclasses import fields

from gateway.config import FilterSettings, LimitSettings
from gateway.sieve.interface import Limits, Scores


def limits_of(limits: LimitSettings, *, spam: FilterSettings, virus: FilterSettings) -> Limits:
    """Return the bounds of a chain, and where filters in front of us write their verdicts."""
    same = {
        one.name: getattr(limits, one.name)
        for one in fields(LimitSettings)
        if one.name != "chain_time"
    }
    return Limits(
        **same,
        chain_seconds=limits.chain_time.total_seconds(),
        spam=_scores(spam),
        virus=_scores(virus),
    )


def _scores(settings: FilterSettings) -> Scores | None:
    if settings.header is None:
        return None
    pairs = (one.partition("=") for one in settings.texts)
    return Scores(
        header=settings.header,
        kind=settings.kind,
        maximum=settings.maximum,
        maximum_header=settings.maximum_header or "",
        texts=tuple((int(value), text.strip()) for value, _, text in pairs),
    )
