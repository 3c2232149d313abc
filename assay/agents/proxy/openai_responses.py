"""OpenAI's responses API."""

from dataclasses import dataclass, field
from typing import Any

from assay.agents.proxy.dialect import Json, Reply, Usage
from assay.agents.proxy.openai_chat import OpenAIChat
from assay.agents.proxy.reading import count_of, objects_in, text_of, within

LEAST_OUTPUT = 16
"""The API refuses a lower limit."""
_SYSTEM = ("system", "developer")
_ENDS = ("response.completed", "response.incomplete", "response.failed")
_OTHER_CALLS = ("computer_call", "local_shell_call", "shell_call", "apply_patch_call")
"""What the agent has to carry out, beside functions; the provider's own tools are not its calls."""


class OpenAIResponses:
    """`/responses`."""

    def wanted_output(self, body: Json) -> int | None:
        """One name, one answer."""
        return count_of(body.get("max_output_tokens"))

    def least_output(self, body: Json) -> int:
        """The API says so; an agent that asks for less is refused by it."""
        wanted = self.wanted_output(body)
        return LEAST_OUTPUT if wanted is None else min(LEAST_OUTPUT, wanted)

    def limit_output(self, body: Json, most: int, *, host: str) -> None:  # noqa: ARG002
        """One name, one answer."""
        asked = self.wanted_output(body)
        body["max_output_tokens"] = most if asked is None else min(asked, most)

    def inject(self, body: Json, prompt: str) -> None:
        """`instructions`, unless the agent has its system prompt among the input."""
        if body.get("instructions") is None:
            for item in objects_in(body.get("input")):
                if item.get("role") in _SYSTEM:
                    item["content"] = prompt
                    return
        body["instructions"] = prompt

    def ask_for_usage(self, body: Json) -> bool:  # noqa: ARG002
        """It is always told."""
        return False

    def is_usage_only(self, data: Json) -> bool:  # noqa: ARG002
        """There is no such event."""
        return False

    def assembly(self) -> "ResponseAssembly":
        """The last event holds the whole response."""
        return ResponseAssembly()

    def read(self, message: Json) -> Reply:
        """Of all output items."""
        output = objects_in(message.get("output"))
        reason = within(message, "incomplete_details", "reason")
        return Reply(
            usage=_usage(message.get("usage")),
            calls=tuple(call for item in output if (call := _call(item)) is not None),
            is_cut_off=reason == "max_output_tokens",
        )

    def refusal(self, code: str, words: str) -> Json:
        """As the other API of the same provider."""
        return OpenAIChat().refusal(code, words)


@dataclass(slots=True)
class ResponseAssembly:
    """A response out of its events."""

    message: Json = field(default_factory=dict)
    has_ended: bool = False
    has_failed: bool = False

    def take(self, data: Json) -> None:
        """One event; those between the first and the last say nothing that the last does not."""
        kind = data.get("type")
        if isinstance(response := data.get("response"), dict):
            self.message = response
        self.has_failed |= kind in ("error", "response.failed")
        self.has_ended |= kind in _ENDS


def _call(item: Json) -> tuple[str, str] | None:
    kind = item.get("type")
    if kind == "function_call":
        return text_of(item.get("name")), text_of(item.get("arguments"))
    if kind == "custom_tool_call":
        return text_of(item.get("name")), text_of(item.get("input"))
    return (str(kind), "") if kind in _OTHER_CALLS else None


def _usage(usage: Any) -> Usage:
    return Usage(
        input_tokens=count_of(within(usage, "input_tokens")),
        output_tokens=count_of(within(usage, "output_tokens")),
        cached_tokens=count_of(within(usage, "input_tokens_details", "cached_tokens")),
        reasoning_tokens=count_of(within(usage, "output_tokens_details", "reasoning_tokens")),
    )
