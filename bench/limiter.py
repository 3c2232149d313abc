"""The limiter against simulated providers, beside the same retries without it, in no time.

A simulation, and named as such: a provider is a few lines, and the event loop's clock jumps
from timer to timer. The retries and the limiter are the real ones. 240 runs of four requests,
concurrency 16, answers in a second, means of three seeds. Run it from the repository's folder:

    python -m bench.limiter
"""

import asyncio
import math
import random
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import mean
from typing import NamedTuple

from pydantic_ai.exceptions import ModelHTTPError

from assay.backoff import Backoff
from assay.models.limiter import Limiter, Limits
from assay.models.retries import with_retries
from assay.models.upstream import Upstream
from assay.sections import Execution
from tests.fakes.clock import in_no_time

RUNS, STEPS, CONCURRENCY, SEEDS, TIMEOUT_S = 240, 4, 16, 3, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """What a provider does to requests."""

    refuses: float = 0.0
    """Share refused at random, at once."""
    forgets: float = 0.0
    """Share never answered."""
    takes: float = math.inf
    """So many at the same time, the others are refused."""
    per_minute: float = math.inf
    """So many, from a bucket of ten; the others are refused."""
    retry_after: str | None = None


MANNERS = {
    "no faults": Manner(),
    "10 % refused": Manner(refuses=0.1),
    "10 % refused, Retry-After: 1": Manner(refuses=0.1, retry_after="1"),
    "10 % refused, Retry-After: 1, 2 % unanswered": Manner(
        refuses=0.1, forgets=0.02, retry_after="1"
    ),
    "takes 4 at once": Manner(takes=4),
    "takes 4 at once, Retry-After: 1": Manner(takes=4, retry_after="1"),
    "60 a minute": Manner(per_minute=60),
    "60 a minute, Retry-After: 1": Manner(per_minute=60, retry_after="1"),
    "600 a minute, Retry-After: 1": Manner(per_minute=600, retry_after="1"),
}


class Provider:
    """Answers within half a second to one and a half, unless its manner is otherwise."""

    def __init__(self, manner: Manner, chance: random.Random) -> None:
        self.manner, self.chance = manner, chance
        self.busy = self.asked = self.refused = 0
        self.bucket, self.filled_s = 10.0, 0.0

    async def ask(self) -> None:
        """One request."""
        self.asked += 1
        fate = self.chance.random() - self.manner.forgets
        if fate < 0:
            await asyncio.sleep(2 * TIMEOUT_S)
        if fate < self.manner.refuses or self.busy >= self.manner.takes or not self._drips():
            self.refused += 1
            told = {"retry-after": self.manner.retry_after} if self.manner.retry_after else {}
            raise ModelHTTPError(429, "simulated", headers=told)
        self.busy += 1
        await asyncio.sleep(0.5 + self.chance.random())
        self.busy -= 1

    def _drips(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        came = 0.0 if math.isinf(self.manner.per_minute) else self.manner.per_minute / 60
        self.bucket = min(10.0, self.bucket + (now_s - self.filled_s) * came)
        self.filled_s = now_s
        has_one = self.bucket >= 1 or math.isinf(self.manner.per_minute)
        self.bucket -= has_one
        return has_one


class Figures(NamedTuple):
    """How the runs went."""

    seconds: float
    lost: int
    refused: float
    """Share of the requests."""


async def carry_out(manner: Manner, *, seed: int, with_limiter: bool) -> Figures:
    """All runs, against one provider."""
    provider = Provider(manner, random.Random(seed))
    backoff = Backoff(jitter=random.Random(seed + 1_000).random)
    limiter = Limiter(Limits(max_concurrency=CONCURRENCY)) if with_limiter else None
    gate, lost = asyncio.Semaphore(CONCURRENCY), 0

    async def run() -> None:
        nonlocal lost
        async with gate:
            try:
                for _ in range(STEPS):
                    await with_retries(
                        provider.ask,
                        attempts=Execution().attempts,
                        waiting=nullcontext,
                        backoff=backoff,
                        upstream=Upstream(limiter=limiter, timeout_s=TIMEOUT_S),
                    )
            except (ModelHTTPError, TimeoutError):
                lost += 1

    await asyncio.gather(*(run() for _ in range(RUNS)))
    seconds = asyncio.get_running_loop().time()
    return Figures(seconds, lost, provider.refused / provider.asked)


def main() -> None:
    """Print the table."""
    print("| provider | without, s | lost | refused | with, s | lost | refused |")
    print("|---|---|---|---|---|---|---|")
    for name, manner in MANNERS.items():
        cells = []
        for with_limiter in (False, True):
            made = [
                in_no_time(carry_out(manner, seed=seed, with_limiter=with_limiter))
                for seed in range(SEEDS)
            ]
            seconds, lost, refused = (mean(column) for column in zip(*made, strict=True))
            cells += [f"{seconds:.0f}", f"{lost:.1f}", f"{refused:.0%}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
