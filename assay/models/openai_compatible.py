"""A lean model for OpenAI-compatible servers: one HTTP request over aiohttp, no client library.

The harness must not cost more than the runs it makes; a provider's client library
spends about twenty times as much CPU on a request as this does.
"""

from contextlib import suppress
from typing import Any

import aiohttp
from pydantic_ai.exceptions import (
    ModelConnectionError,
    ModelHTTPError,
    ModelTimeoutError,
    UnexpectedModelBehavior,
)
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from assay.models.chat_answer import MAX_QUOTED_CHARS, quoted, read_answer
from assay.models.chat_request import RequestWriter
from assay.models.chat_settings import MaxTokensField
from assay.models.endpoint import MAX_ANSWER_BYTES, Endpoint, told_of_retries

REQUEST_TIMEOUT_S = 600.0
"""For one request, unless its settings say otherwise; a run's own budget is usually shorter."""


class OpenAICompatibleModel(Model[Any]):
    """One conversation with a model behind an OpenAI-compatible server.

    Use one object for each run: it remembers what it has encoded of the conversation.

    Args:
        name: The model's name, as the server knows it.
        endpoint: Open connections to the server.
        max_tokens_field: The server's name for the longest answer; newer models of
            OpenAI know `max_completion_tokens` only.
    """

    def __init__(
        self, name: str, *, endpoint: Endpoint, max_tokens_field: MaxTokensField = "max_tokens"
    ) -> None:
        super().__init__()
        self._name = name
        self._endpoint = endpoint
        self._writer = RequestWriter(name, max_tokens_field=max_tokens_field)

    @property
    def model_name(self) -> str:
        """As the server knows it."""
        return self._name

    @property
    def system(self) -> str:
        """Who provides it, as OpenTelemetry's `gen_ai.provider.name`."""
        return self._endpoint.provider_name

    @property
    def base_url(self) -> str:
        """Address of the server."""
        return self._endpoint.base_url

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Ask for the next message, once.

        Raises:
            ModelHTTPError: The server refused; `retry_after` holds what it asked to wait.
            ModelConnectionError: It could not be reached, or not in time.
            UnexpectedModelBehavior: What it sent is not a chat completion.
        """
        settings: ModelSettings = model_settings or {}
        body = self._writer.body(messages, settings, model_request_parameters)
        answer = await self._post(body, timeout_s=settings.get("timeout", REQUEST_TIMEOUT_S))
        call_prefix = f"call_{len(messages)}"
        with suppress(UnexpectedModelBehavior, ModelHTTPError):
            return self._read(answer, call_prefix)
        # It makes no sense, and the error will quote it.
        return self._read(self._endpoint.without_key(answer), call_prefix)

    def _read(self, answer: bytes, call_prefix: str) -> ModelResponse:
        return read_answer(
            answer,
            model_name=self._name,
            provider_name=self.system,
            provider_url=self.base_url,
            call_prefix=call_prefix,
        )

    async def _post(self, body: bytes, *, timeout_s: Any) -> bytes:
        try:
            status, headers, answer = await self._endpoint.post(body, timeout_s=float(timeout_s))
        except TimeoutError as error:
            raise ModelTimeoutError(self._name, f"no answer within {timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ModelConnectionError(self._name, self._words(error)) from error
        if status >= 300:
            words = quoted(self._endpoint.without_key(answer or b""))
            raise ModelHTTPError(status, self._name, words, headers=told_of_retries(headers))
        if answer is None:
            raise UnexpectedModelBehavior(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
        return answer

    def _words(self, error: BaseException) -> str:
        words = f"{type(error).__name__}: {error}"[:MAX_QUOTED_CHARS]
        return self._endpoint.without_key(words.encode()).decode()
