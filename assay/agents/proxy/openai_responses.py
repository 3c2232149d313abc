"""OpenAI's responses API."""

from dataclasses import dataclass, field

from assay.agents.proxy.dialect import Dialect, Json, Reply, bring_down
from assay.agents.proxy.openai_chat import SYSTEM_ROLES, OpenAIChat, usage_of
from assay.agents.proxy.reading import count_of, objects_in, text_of, within

LEAST_OUTPUT = 16
"""The API refuses a lower limit."""
_ENDS = ("response.completed", "response.incomplete", "response.failed")
_OTHER_CALLS = ("computer_call", "local_shell_call", "shell_call", "apply_patch_call")
"""What the agent has to carry out, beside functions; the provider's own tools are not its calls."""


class OpenAIResponses(Dialect):
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
        bring_down(body, "max_output_tokens", most)

    def inject(self, body: Json, prompt: str) -> None:
        """`instructions`, unless the agent has its system prompt among the input."""
        if body.get("instructions") is None:
            for item in objects_in(body.get("input")):
                if item.get("role") in SYSTEM_ROLES:
                    item["content"] = prompt
                    return
        body["instructions"] = prompt

    def assembly(self) -> "ResponseAssembly":
        """The last event holds the whole response."""
        return ResponseAssembly()

    def read(self, message: Json) -> Reply:
        """Of all output items."""
        output = objects_in(message.get("output"))
        reason = within(message, "incomplete_details", "reason")
        return Reply(
            usage=usage_of(message.get("usage"), "input", "output"),
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
