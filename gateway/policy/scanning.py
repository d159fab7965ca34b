"""Pure: [spam] and [virus] of the configuration -> what spamtest and virustest read."""

from __future__ import annotations

from gateway.config import FilterSettings
from gateway.sieve.interface import Limits, Scores


def limits_with(spam: FilterSettings, virus: FilterSettings) -> Limits:
    """Return the limits of a chain with where filters in front of us write their verdicts."""
    return Limits(spam=_scores(spam), virus=_scores(virus))


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
