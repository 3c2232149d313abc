"""So many of something in any minute, where what was counted may be corrected afterwards."""

from collections import deque
from dataclasses import dataclass

MINUTE_S = 60.0


@dataclass(slots=True)
class Counted:
    """An amount at a moment; `amount` may be set once it is known better."""

    at_s: float
    amount: int


class Rate:
    """At most `limit` in any 60 seconds; None is no limit.

    Whether a provider counts by the minute or refills a bucket, it allows that much.

    >>> rate = Rate(2)
    >>> first, second = rate.count(1, now_s=0.0), rate.count(1, now_s=1.0)
    >>> rate.wait_s(1, now_s=10.0)
    50.0
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._counted: deque[Counted] = deque()

    def wait_s(self, amount: int, *, now_s: float) -> float:
        """Seconds until `amount` more is within the limit.

        What is more than the whole limit waits for a minute with nothing in it.
        """
        if self.limit is None:
            return 0.0
        while self._counted and self._counted[0].at_s + MINUTE_S <= now_s:
            self._counted.popleft()
        over = sum(each.amount for each in self._counted) + min(amount, self.limit) - self.limit
        wait_s = 0.0
        for each in self._counted:
            if over <= 0:
                break
            over -= each.amount
            wait_s = each.at_s + MINUTE_S - now_s
        return wait_s

    def count(self, amount: int, *, now_s: float) -> Counted:
        """Count `amount` as of now."""
        counted = Counted(now_s, amount)
        if self.limit is not None:
            self._counted.append(counted)
        return counted
