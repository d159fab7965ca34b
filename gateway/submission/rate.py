"""Pure: how often something happened lately, for limits "so many in so long"."""

from __future__ import annotations

from collections import OrderedDict, deque

MAX_KEYS = 10_000
MAX_TIMES = 100_000  # of one key; only whether a limit is reached counts


class RecentCount:
    """Counts by key what happened within the last `seconds`; times are monotonic seconds."""

    def __init__(self, *, seconds: float) -> None:
        self.seconds = seconds
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def add(self, key: str, *, now: float) -> None:
        """Count one more; over MAX_KEYS the key that was quiet the longest is forgotten."""
        self._times.setdefault(key, deque(maxlen=MAX_TIMES)).append(now)
        self._times.move_to_end(key)
        if len(self._times) > MAX_KEYS:
            self._times.popitem(last=False)

    def count(self, key: str, *, now: float) -> int:
        """Return how often `key` was added within the last `seconds`."""
        times = self._times.get(key)
        if times is None:
            return 0
        while times and times[0] <= now - self.seconds:
            times.popleft()
        if not times:
            del self._times[key]
        return len(times)
