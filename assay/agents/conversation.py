"""The built-in loop's conversation with a model: how it begins, and how long it is."""

from collections.abc import Sequence

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    UserPromptPart,
)

from assay.agents.protocol import Order
from assay.models.upstream import CHARS_PER_TOKEN
from assay.prompts import system_prompt


def opening(order: Order) -> list[ModelMessage]:
    """What is said before the model's first word: system prompt, then the input."""
    system = SystemPromptPart(system_prompt(order.prompt))
    if isinstance(order.input, str):
        return [ModelRequest(parts=[system, UserPromptPart(order.input)])]
    messages: list[ModelMessage] = [ModelRequest(parts=[system])]
    for message in order.input:
        match message["role"]:
            case "assistant":
                messages.append(ModelResponse(parts=[TextPart(message["content"])]))
            case "system":
                messages.append(ModelRequest(parts=[SystemPromptPart(message["content"])]))
            case _:
                messages.append(ModelRequest(parts=[UserPromptPart(message["content"])]))
    return messages


def estimated_tokens(messages: Sequence[ModelMessage]) -> int:
    """About how many tokens the texts come to, while no response has told."""
    return sum(
        len(part.content) // CHARS_PER_TOKEN
        for message in messages
        for part in message.parts
        if isinstance(part, SystemPromptPart | UserPromptPart | TextPart)
    )
