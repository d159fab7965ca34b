"""How fast a lane may send: what the preset allows, and what the server's answers taught us.

Pure: times are passed in. A rate of None is no limit. A clock that is set back costs nothing:
what had been noted in what is the future then counts as noted now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FLOOR_PER_MINUTE = 1.0
GROWTH = 1.1  # a clean minute
UNLIMITED_PER_MINUTE = 60_000.0  # grown back to this, a limit that no preset asks for ends
BURST = timedelta(seconds=10)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLimits:
    """What a lane allows: sessions at once, messages a minute, recipients a message."""

    connections: int = 10
    rate_per_minute: float | None = None
    recipients_per_message: int = 100  # RFC 5321 §4.5.3.1.8: every server takes as many
    dead_after: timedelta = timedelta(minutes=10)  # that a sign-in is refused


class Throttle:
    """A token bucket whose rate halves when the server asks for it and grows back slowly."""

    def __init__(self, *, learned_per_minute: float | None, now: datetime) -> None:
        self.learned_per_minute = learned_per_minute
        self._tokens = 1.0
        self._filled_at = now
        self._changed_at = now
        self._sent = 0
        self._counted_since = now

    def rate(self, limits: LaneLimits) -> float | None:
        """Return the messages a minute that are allowed now, None for no limit."""
        rates = (self.learned_per_minute, limits.rate_per_minute)
        return min((one for one in rates if one is not None), default=None)

    def room(self, limits: LaneLimits, *, now: datetime) -> float:
        """Return how many messages may go now."""
        rate = self.rate(limits)
        if rate is None:
            return float("inf")
        self._mind_clock(now)
        most = max(1.0, rate * (BURST / MINUTE))
        self._tokens = min(most, self._tokens + rate * ((now - self._filled_at) / MINUTE))
        self._filled_at = now
        return self._tokens

    def ready_at(self, limits: LaneLimits, *, now: datetime) -> datetime:
        """Return when the next message may go."""
        rate, room = self.rate(limits), self.room(limits, now=now)
        if rate is None or room >= 1:
            return now
        return now + MINUTE * ((1 - room) / rate) + timedelta(milliseconds=1)

    def spend(self, messages: int, *, now: datetime) -> None:
        """Count messages that go now."""
        self._tokens = max(0.0, self._tokens) - messages  # without a limit nothing is saved up
        self._mind_clock(now)
        if now - self._counted_since >= MINUTE:
            self._sent, self._counted_since = 0, now
        self._sent += messages

    def slow_down(self, limits: LaneLimits, *, asked_at: datetime, now: datetime) -> bool:
        """Halve the rate; False when this was asked before the last change took effect.

        Without a rate so far, half of what went in the last minute.
        """
        self._mind_clock(now)
        if asked_at < self._changed_at:
            return False
        minutes = max((now - self._counted_since) / MINUTE, 1 / 60)
        rate = self.rate(limits) or self._sent / minutes
        self.learned_per_minute = max(FLOOR_PER_MINUTE, rate / 2)
        self._tokens = 0.0
        self._filled_at = self._changed_at = now
        return True

    def grow(self, limits: LaneLimits, *, now: datetime) -> bool:
        """Raise a learned rate after a clean minute; False when it stays as it is."""
        self._mind_clock(now)
        if self.learned_per_minute is None or now - self._changed_at < MINUTE:
            return False
        self._changed_at = now
        most = limits.rate_per_minute or UNLIMITED_PER_MINUTE
        grown = self.learned_per_minute * GROWTH
        self.learned_per_minute = None if grown >= most else grown
        return True

    def _mind_clock(self, now: datetime) -> None:
        self._filled_at = min(self._filled_at, now)
        self._changed_at = min(self._changed_at, now)
        self._counted_since = min(self._counted_since, now)
