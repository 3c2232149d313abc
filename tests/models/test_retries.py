"""One layer of retries: which failures, how often, how long, and outside the run's clock."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
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
from pydantic_ai.messages import ModelRequest, ModelResponse, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.usage import RequestUsage

from assay.backoff import Backoff
from assay.budgets import Stopwatch
from assay.models.endpoint import open_endpoint
from assay.models.limiter import Limiter, Limits
from assay.models.openai_compatible import OpenAICompatibleModel
from assay.models.retries import (
    MAX_REFUSALS,
    is_infrastructure,
    request_with_retries,
    with_retries,
)
from assay.models.upstream import Upstream, tokens_of
from tests.fakes.clock import in_no_time
from tests.fakes.openai_server import FakeOpenAI, Reply, answers, hangs, refuses, resets, says
from tests.fakes.sources import FollowingModel


class Clock:
    """Notes every pause instead of making it, and whether the run's watch stood still."""

    def __init__(self) -> None:
        self.pauses_s: list[float] = []
        self.standing = False
        self.stood: list[bool] = []
        self.taken_off_s = 0.0

    @contextmanager
    def waiting(self, already_s: float = 0.0) -> Iterator[None]:
        self.standing = True
        self.taken_off_s += already_s
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


async def ask(
    *replies: Reply,
    attempts: int = 3,
    jitter: float = 0.5,
    upstream: Upstream = Upstream(),  # noqa: B008 - frozen
) -> Outcome:
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
                upstream=upstream,
            )
        except (AgentRunError, TimeoutError) as error:
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


async def test_a_request_that_is_never_answered_is_made_again() -> None:
    """One lost packet must not eat all the seconds that a run has."""
    outcome = await ask(hangs(), says("Here."), upstream=Upstream(timeout_s=0.05))
    assert (outcome.text, outcome.tries, outcome.asked) == ("Here.", 2, 2)


async def test_what_never_answers_is_infrastructure_in_the_end() -> None:
    """It says nothing about the prompt."""
    outcome = await ask(hangs(), attempts=2, upstream=Upstream(timeout_s=0.05))
    assert outcome.asked == 2
    assert outcome.error is not None
    assert is_infrastructure(outcome.error)
    assert str(outcome.error) == "no answer within 0.05 s (execution.request_timeout_s)"


async def test_the_time_of_a_failed_request_is_taken_off_the_clock() -> None:
    """A prompt must not look slow, or run out of seconds, because a provider lost its request."""
    outcome = await ask(hangs(), says("Here."), upstream=Upstream(timeout_s=0.05))
    assert outcome.clock.taken_off_s >= 0.05
    assert (await ask(says("Here."))).clock.taken_off_s == 0.0
    assert (await ask(answers("<html>"))).clock.taken_off_s == 0.0  # the agent's own failure


async def test_refusals_for_the_load_cost_no_attempt_while_others_are_answered() -> None:
    """A provider that is busy gives everyone a turn; runs must not be lost to its queue."""
    limiter = Limiter(Limits(max_concurrency=4))
    async with limiter.request():
        pass  # another run's, answered
    outcome = await ask(*[refuses(429)] * 9, says("Here."), upstream=Upstream(limiter=limiter))
    assert (outcome.text, outcome.tries) == ("Here.", 10)


async def test_refusals_cost_attempts_where_nobody_is_answered() -> None:
    """A provider that only refuses must not hold an evaluation for an hour."""
    upstream = Upstream(limiter=Limiter(Limits(max_concurrency=4)))
    outcome = await ask(refuses(429), attempts=3, upstream=upstream)
    assert outcome.asked == 3


async def test_even_a_busy_providers_patience_has_an_end() -> None:
    """It may refuse one request for what it is, whatever it calls it."""
    limiter = Limiter(Limits(max_concurrency=4))
    async with limiter.request():
        pass
    outcome = await ask(refuses(429), attempts=3, upstream=Upstream(limiter=limiter))
    assert outcome.asked == 3 + MAX_REFUSALS


async def test_an_empty_account_is_no_refusal_for_the_load() -> None:
    """Waiting does not fill it, and the other runs have to learn it for themselves."""
    limiter = Limiter(Limits(max_concurrency=4))
    async with limiter.request():
        pass
    outcome = await ask(refuses(429, "insufficient_quota"), upstream=Upstream(limiter=limiter))
    assert (outcome.asked, limiter.adaptive.limit) == (1, 4)


@pytest.mark.parametrize(("failure", "limit"), [(refuses(429), 3), (refuses(500), 4)])
async def test_only_a_refusal_for_the_load_halves_the_limit(failure: Reply, limit: int) -> None:
    """An error is no reason to ask for less; the answer then gives one back."""
    limiter = Limiter(Limits(max_concurrency=4))
    await ask(failure, says("Here."), upstream=Upstream(limiter=limiter))
    assert limiter.adaptive.limit == limit


async def test_a_retry_after_is_told_to_all_who_ask_the_same_model() -> None:
    """They would be refused as well."""
    limiter = Limiter(Limits(max_concurrency=4))
    await ask(refuses(429, Retry_After="100"), attempts=1, upstream=Upstream(limiter=limiter))
    assert limiter.adaptive.room_in_s(asyncio.get_running_loop().time()) > 0


async def test_waiting_for_room_is_in_nobodys_latency() -> None:
    """It is a queue of ours."""
    limiter, clock = Limiter(Limits(max_concurrency=1)), Clock()
    async with limiter.request():
        asking = asyncio.create_task(
            with_retries(
                lambda: asyncio.sleep(0, clock.standing),
                attempts=1,
                waiting=clock.waiting,
                upstream=Upstream(limiter=limiter),
            )
        )
        await asyncio.sleep(0)
        assert clock.standing
    assert await asking == (False, 1)


def test_the_tokens_that_were_used_correct_the_estimate() -> None:
    """The next minute's requests are let go by what the provider counts."""
    measured = RequestUsage(input_tokens=10, output_tokens=5)
    unmeasured = RequestUsage(unmeasured_requests=1)

    async def work() -> list[float]:
        limiter, sent_s = Limiter(Limits(max_concurrency=4, tokens_per_minute=1_000)), []
        for usage in (measured, unmeasured, measured):
            await request_with_retries(
                FollowingModel([ModelResponse(parts=[], usage=usage)]),
                [],
                None,
                ModelRequestParameters(),
                attempts=1,
                waiting=nullcontext,
                upstream=Upstream(limiter=limiter, tokens=900, used=tokens_of),
            )
            sent_s.append(asyncio.get_running_loop().time())
        return sent_s

    assert in_no_time(work()) == [0, 0, 60]  # 15, then 900 for all that is known


def test_a_run_is_not_charged_for_what_turned_out_to_be_waiting() -> None:
    """Neither its latency nor its time limit, which would end it as `max_seconds`."""

    async def work() -> None:
        watch = Stopwatch(before_s=10.0)
        limit = watch.limit(60.0)
        async with limit:
            due = limit.when()
            with watch.waiting(4.0):
                pass
            assert due is not None
            assert (limit.when() or 0.0) >= due + 4.0
            assert 6.0 <= watch.elapsed_s() < 10.0

    in_no_time(work())
