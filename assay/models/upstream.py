"""How a provider's model is to be asked: its limits, and how long an answer may take."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from pydantic_ai.messages import ModelResponse

from assay.config import Config
from assay.models.limiter import Limiter, Limits, Sent, limiter_of
from assay.models.source import ModelSource

CHARS_PER_TOKEN = 4
"""Of English, about: for the estimate of a conversation that no response has measured yet."""
MIN_REQUEST_TIMEOUT_S = 10.0
"""Without a configured one it is half of what a run may take: so it survives one lost request."""


Waiting = Callable[..., AbstractContextManager[object]]
"""Stops a run's clock for a block; given seconds, those before it are taken off as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """How one provider's model is to be asked."""

    limiter: Limiter | None = None
    """Shared by all who ask it; None asks whenever it likes."""
    timeout_s: float | None = None
    """A request without an answer is given up then."""
    tokens: int = 0
    """What the request may use, an estimate."""
    used: Callable[[Any], int | None] = lambda _: None
    """What an answer used, if it says so."""

    def request(self, waiting: Waiting) -> AbstractAsyncContextManager[Sent | None]:
        """Room for one request."""
        if self.limiter is None:
            return nullcontext()
        return self.limiter.request(tokens=self.tokens, waiting=waiting)

    def answered_within(self, seconds: float) -> bool:
        """Whether it is known to have answered anyone lately."""
        return self.limiter is not None and self.limiter.answered_within(seconds)


def shared_limiter(config: Config, destination: tuple[str, str]) -> Limiter:
    """The limiter of a provider's address and a model, under the configuration's limits."""
    execution = config.execution
    limits = Limits(
        max_concurrency=execution.max_concurrency,
        requests_per_minute=execution.requests_per_minute,
        tokens_per_minute=execution.tokens_per_minute,
    )
    return limiter_of(destination, limits)


def upstream_of(config: Config, source: ModelSource) -> Upstream:
    """How an opened model is to be asked."""
    if source.destination is None:
        return Upstream()
    return Upstream(
        limiter=shared_limiter(config, source.destination),
        timeout_s=request_timeout_s(config),
        used=tokens_of,
    )


def request_timeout_s(config: Config) -> float:
    """How long an answer may take."""
    given = config.execution.request_timeout_s
    return given or max(MIN_REQUEST_TIMEOUT_S, config.budgets.max_seconds / 2)


def tokens_of(response: ModelResponse) -> int | None:
    """What a response used; None where the provider does not say."""
    return None if response.usage.unmeasured_requests else response.usage.total_tokens
