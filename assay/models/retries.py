"""The one layer of retries, for every model; and whose fault is what remains.

Waiting for a provider is not the run's doing, so each pause is spent inside the
caller's `waiting` block, which stops the run's clock; so is the time that a failed
request took.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeGuard, TypeVar

import aiohttp
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRequestRejectedError,
)
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from assay.backoff import Backoff
from assay.models.upstream import Upstream, Waiting

Answer = TypeVar("Answer")

BACKOFF = Backoff()
WORTH_ANOTHER_TRY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""HTTP statuses after which the same request may succeed."""
REFUSED_FOR_THE_LOAD = frozenset({429, 529})
"""The same request will succeed, once less is asked of the provider."""
MAX_REFUSALS = 50
"""So often one request may be refused for the load beyond its attempts."""
SET_UP_WRONGLY = frozenset({401, 402, 403, 404})
"""No key, no money, no permission, no such model or address: not the prompt's doing."""


async def request_with_retries(
    model: Model,
    messages: list[ModelMessage],
    settings: ModelSettings | None,
    parameters: ModelRequestParameters,
    *,
    attempts: int,
    waiting: Waiting,
    backoff: Backoff = BACKOFF,
    upstream: Upstream = Upstream(),  # noqa: B008 - frozen
) -> tuple[ModelResponse, int]:
    """Ask a model, and ask again while the failure may pass.

    Args:
        model: Any pydantic-ai model; its own client must not retry as well.
        messages: The conversation so far.
        settings: As `Model.request` takes them.
        parameters: As `Model.request` takes them.
        attempts: Most requests to make, counting the first; at least 1. Those refused for
            the load do not count while others are answered.
        waiting: Entered around each pause.
        backoff: How long to pause.
        upstream: How the model is to be asked.

    Returns:
        The response, and the number of requests that were made for it.

    Raises:
        Exception: What the last request raised.
    """
    return await with_retries(
        lambda: model.request(messages, settings, parameters),
        attempts=attempts,
        waiting=waiting,
        backoff=backoff,
        upstream=upstream,
    )


async def with_retries(
    ask: Callable[[], Awaitable[Answer]],
    *,
    attempts: int,
    waiting: Waiting,
    backoff: Backoff = BACKOFF,
    upstream: Upstream = Upstream(),  # noqa: B008 - frozen
) -> tuple[Answer, int]:
    """The same for any request, which raises what a model would."""
    tries = excused = 0
    while True:
        tries += 1
        try:
            return await _once(ask, upstream, waiting), tries
        except Exception as error:
            if _is_refusal(error) and upstream.answered_within(backoff.patience_s):
                excused = min(excused + 1, MAX_REFUSALS)
            if tries - excused >= attempts or not _may_pass(error):
                raise
            asked_s = error.retry_after if isinstance(error, ModelAPIError) else None
            wait_s = backoff.wait_s(tries=tries, asked_s=asked_s)
            if wait_s is None:
                raise
        with waiting():
            await backoff.sleep(wait_s)


async def _once(
    ask: Callable[[], Awaitable[Answer]], upstream: Upstream, waiting: Waiting
) -> Answer:
    """One request, within its limits; what it took is no time of the run's if it failed."""
    async with upstream.request(waiting) as sent:
        began_s = time.perf_counter()
        try:
            async with asyncio.timeout(upstream.timeout_s) as limit:
                answer = await ask()
        except Exception as error:
            if is_infrastructure(error):
                with waiting(time.perf_counter() - began_s):
                    pass
            if sent is not None and _is_refusal(error):
                sent.refused(error.retry_after)
            if limit.expired():
                words = f"no answer within {upstream.timeout_s:g} s (execution.request_timeout_s)"
                raise TimeoutError(words) from error
            raise
        used = upstream.used(answer)
        if sent is not None and used is not None:
            sent.used(used)
        return answer


def is_infrastructure(error: BaseException) -> bool:
    """Whether a failed request is the provider's, the network's or the set-up's doing.

    What is left is the agent's: a request that the server does not understand (400,
    413, 422), a conversation longer than the model's context, an answer without sense.
    """
    if isinstance(error, ModelHTTPError):
        status = error.status_code
        return status < 400 or status >= 500 or status in WORTH_ANOTHER_TRY | SET_UP_WRONGLY
    if isinstance(error, ModelAuthenticationError | ModelNotFoundError):
        return True
    if isinstance(error, ModelAPIError):
        return not isinstance(error, ModelRequestRejectedError)
    return _is_connection(error)


def _is_refusal(error: Exception) -> TypeGuard[ModelHTTPError]:
    return (
        isinstance(error, ModelHTTPError)
        and error.status_code in REFUSED_FOR_THE_LOAD
        and not _out_of_quota(error)
    )


def _may_pass(error: Exception) -> bool:
    if isinstance(error, ModelQuotaExceededError):
        return False
    if isinstance(error, ModelHTTPError):
        told = (error.headers or {}).get("x-should-retry", "").lower()
        if told in ("true", "false"):
            return told == "true"
        return error.status_code in WORTH_ANOTHER_TRY and not _out_of_quota(error)
    if isinstance(error, ModelAPIError):
        return not isinstance(error, ModelRequestRejectedError)
    return _is_connection(error)


def _out_of_quota(error: ModelHTTPError) -> bool:
    """OpenAI and its kin send 429 for an empty account too; waiting does not fill it."""
    return "insufficient_quota" in (error.provider_error_code or str(error.body))


def _is_connection(error: BaseException) -> bool:
    return isinstance(error, aiohttp.ClientError | OSError)
