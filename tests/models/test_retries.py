"""One layer of retries: which failures, how often, how long, and outside the run's clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    UnexpectedModelBehavior,
    UserError,
)
from pydantic_ai.messages import ModelRequest, UserPromptPart
from pydantic_ai.models import ModelRequestParameters

from assay.backoff import Backoff
from assay.models.endpoint import open_endpoint
from assay.models.openai_compatible import OpenAICompatibleModel
from assay.models.retries import is_infrastructure, request_with_retries
from tests.fakes.openai_server import FakeOpenAI, Reply, answers, refuses, resets, says


class Clock:
    """Notes every pause instead of making it, and whether the run's watch stood still."""

    def __init__(self) -> None:
        self.pauses_s: list[float] = []
        self.standing = False
        self.stood: list[bool] = []

    @contextmanager
    def waiting(self, already_s: float = 0.0) -> Iterator[None]:
        self.standing = True
        try:
            yield
        finally:
            self.standing = False

    async def sleep(self, seconds: float) -> None:
        self.pauses_s.append(seconds)
        self.stood.append(self.standing)

    def backoff(self, jitter: float = 0.5) -> Backoff:
        return Backoff(jitter=lambda: jitter, sleep=self.sleep)


@dataclass
class Outcome:
    """How asking once through the retries ended."""

    clock: Clock
    asked: int
    """Requests that really arrived."""
    tries: int | None = None
    text: str | None = None
    error: Exception | None = None


async def ask(*replies: Reply, attempts: int = 3, jitter: float = 0.5) -> Outcome:
    clock = Clock()
    async with (
        FakeOpenAI(replies) as server,
        open_endpoint(
            server.base_url, api_key=None, max_concurrency=2, provider_name="fake"
        ) as endpoint,
    ):
        try:
            response, tries = await request_with_retries(
                OpenAICompatibleModel("m", endpoint=endpoint),
                [ModelRequest(parts=[UserPromptPart("Hi")])],
                None,
                ModelRequestParameters(),
                attempts=attempts,
                waiting=clock.waiting,
                backoff=clock.backoff(jitter),
            )
        except AgentRunError as error:
            return Outcome(clock, len(server.asked), error=error)
        return Outcome(clock, len(server.asked), tries=tries, text=response.text)


@pytest.mark.parametrize(
    "failure", [*(refuses(status) for status in (408, 409, 429, 500, 502, 503, 504, 529)), resets()]
)
async def test_what_may_pass_is_tried_again(failure: Reply) -> None:
    """A rate limit or a dropped connection is not the prompt's failure."""
    outcome = await ask(failure, says("Here."))
    assert outcome.text == "Here."
    assert (outcome.tries, outcome.asked, len(outcome.clock.pauses_s)) == (2, 2, 1)


@pytest.mark.parametrize(
    "failure",
    [
        *(refuses(status) for status in (400, 401, 403, 404, 422)),
        refuses(429, "insufficient_quota"),
        refuses(429, x_should_retry="false"),
        refuses(429, Retry_After="86400"),
        answers("<html>"),
    ],
)
async def test_what_will_not_pass_is_not_tried_again(failure: Reply) -> None:
    """Asking again would cost time or money and end the same."""
    outcome = await ask(failure, says("never"))
    assert outcome.error is not None
    assert (outcome.asked, outcome.clock.pauses_s) == (1, [])


async def test_no_more_requests_are_made_than_allowed() -> None:
    """`execution.attempts` counts the first request too."""
    outcome = await ask(refuses(500), attempts=3)
    assert isinstance(outcome.error, ModelHTTPError)
    assert outcome.asked == 3


async def test_pauses_grow_and_are_spent_while_the_watch_stands_still() -> None:
    """Waiting for a provider is in nobody's latency and in nobody's `max_seconds`."""
    outcome = await ask(*[refuses(500)] * 8, says("Here."), attempts=9)
    clock = outcome.clock
    assert outcome.tries == 9
    assert clock.pauses_s == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    assert all(clock.stood)
    assert not clock.standing


async def test_a_server_that_says_how_long_is_believed() -> None:
    """Coming back earlier is refused again; a little later keeps the runs apart."""
    outcome = await ask(refuses(429, Retry_After="7"), says("Here."), jitter=0.5)
    assert outcome.clock.pauses_s == [7.25]


async def test_a_server_may_name_a_date() -> None:
    """HTTP allows both forms."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    outcome = await ask(refuses(429, Retry_After=date), says("Here."), jitter=0.0)
    assert outcome.clock.pauses_s[0] == pytest.approx(60, abs=10)


@pytest.mark.parametrize(
    "error",
    [
        *(ModelHTTPError(status, "m") for status in (307, 401, 402, 403, 404, 408, 429, 500, 529)),
        ModelConnectionError("m", "gone"),
        ModelAPIError("m", "?"),
        ConnectionResetError(),
        TimeoutError(),
    ],
)
def test_the_outside_worlds_failures_are_infrastructure(error: Exception) -> None:
    """They make a run say nothing about its prompt."""
    assert is_infrastructure(error)


@pytest.mark.parametrize(
    "error",
    [
        *(ModelHTTPError(status, "m") for status in (400, 413, 422)),
        UnexpectedModelBehavior("?"),
        UserError("?"),
        ValueError(),
    ],
)
def test_the_rest_is_the_agents(error: Exception) -> None:
    """A prompt that overflows the context must not be excused as bad luck."""
    assert not is_infrastructure(error)
