"""One alert to one receiver: a few tries in a bounded time, and what came of it."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from assay.backoff import Backoff

_BACKOFF = Backoff(longest_s=8.0, patience_s=15.0)


class Undelivered(Exception):
    """One try failed.

    Args:
        problem: Why, in words that hold no secret: no address, no answer's text, no
            library's message (it repeats the address).
        may_pass: Whether another try may succeed.
        asked_s: How long the receiver asks to wait before it.
    """

    def __init__(
        self, problem: str, *, may_pass: bool = False, asked_s: float | None = None
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.may_pass = may_pass
        self.asked_s = asked_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a receiver is tried."""

    attempts: int = 4
    attempt_s: float = 8.0
    total_s: float = 30.0
    backoff: Backoff = _BACKOFF


PATIENCE = Patience()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What came of one alert at one receiver."""

    receiver: str
    attempts: int
    problem: str | None = None

    @property
    def delivered(self) -> bool:
        """Whether the receiver has taken it."""
        return self.problem is None

    def __str__(self) -> str:
        if self.delivered:
            return f"{self.receiver}: delivered"
        tries = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        return f"{self.receiver}: not delivered{tries}: {self.problem}"


async def deliver(
    send: Callable[[], Awaitable[None]], *, receiver: str, patience: Patience
) -> Delivery:
    """Call `send` until it succeeds, cannot succeed, or the patience is at its end."""
    tries, problem = 0, None
    try:
        async with asyncio.timeout(patience.total_s):
            while True:
                tries += 1
                problem, wait_s = await _try(send, tries=tries, patience=patience)
                if wait_s is None:
                    return Delivery(receiver=receiver, attempts=tries, problem=problem)
                await patience.backoff.sleep(wait_s)
    except TimeoutError:
        why = f"given up after {patience.total_s:g} s: {problem or 'no answer'}"
        return Delivery(receiver=receiver, attempts=tries, problem=why)


async def _try(
    send: Callable[[], Awaitable[None]], *, tries: int, patience: Patience
) -> tuple[str | None, float | None]:
    """What the problem was, if any, and how long to wait before the next try, if any."""
    try:
        await send()
    except Undelivered as failed:
        if not failed.may_pass or tries >= patience.attempts:
            return failed.problem, None
        return failed.problem, patience.backoff.wait_s(tries=tries, asked_s=failed.asked_s)
    except Exception as bug:  # noqa: BLE001 - no alert may end what it tells of, and a traceback may hold the address
        return f"failed ({type(bug).__name__})", None
    return None, None


def not_reached(error: Exception, *, within_s: float) -> Undelivered:
    """What a connection's error means, without its own words."""
    match error:
        case TimeoutError():
            return Undelivered(f"no answer within {within_s:g} s", may_pass=True)
        case ssl.SSLCertVerificationError():
            return Undelivered("its certificate is not trusted, or is another server's")
        case ssl.SSLError():
            return Undelivered(f"no TLS connection ({type(error).__name__})")
    return Undelivered(f"no connection ({type(error).__name__})", may_pass=True)


def secret(environ: Mapping[str, str], name: str) -> str:
    """The variable's value, without white space around it: a file's last line end, mostly.

    Raises:
        Undelivered: It is not set, or empty.
    """
    if not (value := environ.get(name, "").strip()):
        raise Undelivered(f"the environment variable {name} is not set")
    return value
