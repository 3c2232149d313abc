"""How long to wait before the next try of what may pass."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits that grow from try to try, unless the other side says how long to wait."""

    first_s: float = 0.5
    """Upper end of the first wait; each further one is twice as long."""
    longest_s: float = 30.0
    patience_s: float = 120.0
    """Who asks for a longer wait than this is given up at once."""
    jitter: Callable[[], float] = random.random
    """A number in [0, 1): many that failed together must not come back together."""
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    def wait_s(self, *, tries: int, asked_s: float | None = None) -> float | None:
        """Seconds to wait after `tries` tries; None when it would be too long.

        Args:
            tries: How many were made, at least 1.
            asked_s: What the other side asks for, as in a Retry-After header.
        """
        if asked_s is None:
            return self.jitter() * min(self.longest_s, self.first_s * 2.0 ** (tries - 1))
        if asked_s > self.patience_s:
            return None
        return asked_s + self.jitter() * self.first_s
