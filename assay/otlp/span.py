"""A span as far as a run is told by it: its place in the trace, its times, and a few attributes.

The names are those of OpenTelemetry's GenAI conventions, the older ones after the newer. Of all
other attributes nothing is kept: a span may carry ten thousand of them, and whole conversations.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Value = str | int | float | bool | tuple[str, ...]
"""Of an attribute; of a list its texts."""

PROMPT_ID = "assay.prompt.id"
CONVERSATION = "gen_ai.conversation.id"
NAMES: Mapping[str, tuple[str, ...]] = {
    "operation": ("gen_ai.operation.name", "llm.request.type"),
    "prompt_id": (PROMPT_ID,),
    "prompt_name": ("gen_ai.prompt.name",),
    "prompt_version": ("gen_ai.prompt.version",),
    "conversation": (CONVERSATION,),
    "agent": ("gen_ai.agent.name",),
    "model": ("gen_ai.response.model", "gen_ai.request.model"),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "tool": ("gen_ai.tool.name",),
    "finish_reasons": ("gen_ai.response.finish_reasons",),
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cached_tokens": (
        "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens",
    ),
    "error": ("error.type",),
    "category": ("assay.category",),
    "golden_task_id": ("assay.golden_task.id",),
    "spend_usd": ("assay.spend_usd", "gen_ai.usage.cost"),
    "stop_reason": ("assay.stop_reason",),
    "success": ("assay.success",),
}  # fmt: skip
"""What is asked for -> the attributes that say it, the best first."""
KEPT = frozenset(name for names in NAMES.values() for name in names)

AGENT, TOOL = "invoke_agent", "execute_tool"
INFERENCE = frozenset({"chat", "completion", "text_completion", "generate_content"})
MAX_TEXT = 1_000
MAX_ITEMS = 100
"""Of a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One operation; its ids in lower-case hex, its times in nanoseconds since 1970."""

    trace_id: str
    span_id: str
    parent_id: str | None
    """None for the first of a trace, or the first of a process whose caller is elsewhere."""
    start_ns: int
    end_ns: int
    is_error: bool = False
    attributes: Mapping[str, Value] = field(default_factory=dict)
    """Those of `KEPT`; those of its resource where it has none itself."""

    def get(self, what: str) -> Value | None:
        """The first of the attributes that say `what`."""
        return next((self.attributes[n] for n in NAMES[what] if n in self.attributes), None)

    def text(self, what: str) -> str | None:
        """The same, if it is a text."""
        value = self.get(what)
        return value if isinstance(value, str) and value else None

    def amount(self, what: str) -> float | None:
        """The same, if it is a number."""
        value = self.get(what)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return value if is_number and value >= 0 else None  # type: ignore[operator,return-value]

    @property
    def is_agent(self) -> bool:
        """Whether it is a whole run of an agent."""
        return self.get("operation") == AGENT

    @property
    def is_tool(self) -> bool:
        """Whether it is a call of a tool."""
        return self.get("operation") == TOOL

    @property
    def is_inference(self) -> bool:
        """Whether it is a request to a model."""
        return self.get("operation") in INFERENCE
