"""Model sources that follow a script: a fake agent's mind, driven through the real loop."""

import asyncio
from collections.abc import Sequence

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from assay.records import RunKey

Reply = ModelResponse | Exception


def says(text: str, *, tokens: int = 10) -> ModelResponse:
    """A final answer that used `tokens` input and `tokens` output tokens."""
    return ModelResponse(
        parts=[TextPart(text)], usage=RequestUsage(input_tokens=tokens, output_tokens=tokens)
    )


def calls(*named: tuple[str, dict[str, object]], tokens: int = 10, text: str = "") -> ModelResponse:
    """A response that asks for tools: pairs of a name and its arguments."""
    parts = [ToolCallPart(name, arguments) for name, arguments in named]
    said = [TextPart(text)] if text else []
    return ModelResponse(
        parts=[*said, *parts], usage=RequestUsage(input_tokens=tokens, output_tokens=tokens)
    )


class FollowingModel(Model):
    """Gives the replies of a script by the number of responses so far; the last one for ever."""

    def __init__(self, replies: Sequence[Reply], *, seconds: float = 0.0) -> None:
        super().__init__()
        self.replies = replies
        self.seconds = seconds
        self.requests: list[list[ModelMessage]] = []
        self.settings_seen: list[ModelSettings | None] = []

    @property
    def model_name(self) -> str:
        return "following"

    @property
    def system(self) -> str:
        return "fake"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        self.requests.append(list(messages))
        self.settings_seen.append(model_settings)
        await asyncio.sleep(self.seconds)
        step = sum(isinstance(message, ModelResponse) for message in messages)
        reply = self.replies[min(step, len(self.replies) - 1)]
        if isinstance(reply, Exception):
            raise reply
        return reply


class FakeSource:
    """One model for all runs."""

    name = "following"
    params_hash = "0" * 12
    price_ref: str | None = None
    max_concurrency: int | None = None

    def __init__(self, *replies: Reply, seconds: float = 0.0) -> None:
        self.model = FollowingModel(replies, seconds=seconds)

    def for_run(self, key: RunKey) -> Model:
        return self.model

    def settings_for(self, key: RunKey) -> ModelSettings:
        return {}
