"""How many requests a provider takes at the same time, found out from its answers.

The limit halves on a refusal, at most once in a round trip, and grows back by one with each
answer. Time is an argument.
"""

import math

LONGEST_PAUSE_S = 120.0
"""Nobody waits out a longer `Retry-After`, so it stops nobody."""
OVERDUE = 4.0
"""A request that takes so many times as long as answers do is lost, and no load."""
SMOOTHING = 0.1


class AdaptiveLimit:
    """Counts the requests under way, and says when there is room for one more.

    >>> limit = AdaptiveLimit(4)
    >>> first, second = limit.send(now_s=0.0), limit.send(now_s=0.0)
    >>> limit.refused(first, now_s=1.0, retry_after_s=7.0)
    >>> limit.limit, limit.room_in_s(now_s=1.0)
    (2, inf)
    >>> limit.leave(first)
    >>> limit.room_in_s(now_s=1.0)
    7.0
    >>> limit.answered(second, now_s=2.0)
    >>> limit.limit, limit.room_in_s(now_s=2.0)
    (3, 0.0)

    Args:
        most: The limit never goes beyond.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._limit = most
        self._sent_at_s: dict[int, float] = {}
        """Of each request under way, by its number: the oldest is the first."""
        self._n_sent = 0
        self._old_news = 0
        """Up to this number, requests were sent under the limit before it was halved."""
        self._halved_s = self._answered_s = self._closed_until_s = -math.inf
        self._typical_s: float | None = None
        """How long an answer takes; None before the first."""

    @property
    def limit(self) -> int:
        """Requests that may be under way: at least 1, at most `most`."""
        return min(self.most, self._limit)

    @property
    def under_way(self) -> int:
        """Requests that are."""
        return len(self._sent_at_s)

    def room_in_s(self, now_s: float) -> float:
        """Seconds until one more may be sent; infinite until another comes back."""
        return max(0.0, self._closed_until_s - now_s, self._place_in_s(now_s))

    def send(self, now_s: float) -> int:
        """Count one more request; its number."""
        self._n_sent += 1
        self._sent_at_s[self._n_sent] = now_s
        return self._n_sent

    def leave(self, number: int) -> None:
        """A request is under way no more."""
        del self._sent_at_s[number]

    def refused(self, number: int, *, now_s: float, retry_after_s: float | None) -> None:
        """Halve the limit, at most once in a round trip, else take one; pause if told to."""
        if number > self._old_news:
            halve = now_s >= self._halved_s + (self._typical_s or 0.0)
            self._limit = max(1, self.limit // 2 if halve else self.limit - 1)
            if halve:
                self._old_news, self._halved_s = self._n_sent, now_s
        if retry_after_s is not None and retry_after_s <= LONGEST_PAUSE_S:
            self._closed_until_s = max(self._closed_until_s, now_s + retry_after_s)

    def answered(self, number: int, *, now_s: float) -> None:
        """Grow; and who answers one request is not closed to the others."""
        took_s = now_s - self._sent_at_s[number]
        before_s = took_s if self._typical_s is None else self._typical_s
        self._typical_s = before_s + SMOOTHING * (took_s - before_s)
        self._limit = self.limit + 1
        self._closed_until_s = -math.inf
        self._answered_s = now_s

    def answered_within(self, seconds: float, *, now_s: float) -> bool:
        """Whether any request was answered lately: the provider is busy, not gone."""
        return now_s - self._answered_s <= seconds

    def _place_in_s(self, now_s: float) -> float:
        """The same without the pause. What is overdue takes a place of `most`, not of the limit."""
        if self.under_way < self.limit:
            return 0.0
        if self.under_way >= self.most or self._typical_s is None:
            return math.inf
        overdue_in_s = [
            at_s + OVERDUE * self._typical_s - now_s for at_s in self._sent_at_s.values()
        ]
        return max(0.0, overdue_in_s[self.under_way - self.limit])
