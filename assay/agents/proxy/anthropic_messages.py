"""Anthropic's messages API."""

import json
from dataclasses import dataclass, field
from typing import Any

from assay.agents.proxy.dialect import Dialect, Json, Reply, Usage, bring_down
from assay.agents.proxy.reading import count_of, objects_in, text_of, within

LEAST_THINKING = 1_024
"""The API refuses a lower budget for thinking, and one that is not below `max_tokens`."""


class AnthropicMessages(Dialect):
    """`/messages`."""

    def wanted_output(self, body: Json) -> int | None:
        """The API wants it in every request."""
        return count_of(body.get("max_tokens"))

    def least_output(self, body: Json) -> int:
        """A token after the shortest thinking, where the agent wants any."""
        thinks = count_of(within(body, "thinking", "budget_tokens")) is not None
        return LEAST_THINKING + 1 if thinks else 1

    def limit_output(self, body: Json, most: int, *, host: str) -> None:  # noqa: ARG002
        """Thinking must leave room for the answer."""
        limit = bring_down(body, "max_tokens", most)
        thinking = count_of(within(body, "thinking", "budget_tokens"))
        if thinking is not None and thinking >= limit:
            body["thinking"]["budget_tokens"] = limit - 1

    def inject(self, body: Json, prompt: str) -> None:
        """`system`, with what the agent says about caching it."""
        blocks = objects_in(body.get("system"))
        caching = [block["cache_control"] for block in blocks if block.get("cache_control")]
        if caching:
            body["system"] = [{"type": "text", "text": prompt, "cache_control": caching[-1]}]
        else:
            body["system"] = prompt

    def assembly(self) -> "MessageAssembly":
        """Blocks and their deltas, up to `message_stop`."""
        return MessageAssembly()

    def read(self, message: Json) -> Reply:
        """The tools that the agent has to call; the provider's own are not its calls."""
        blocks = objects_in(message.get("content"))
        return Reply(
            usage=_usage(message.get("usage")),
            calls=tuple(
                (text_of(block.get("name")), _written(block.get("input")))
                for block in blocks
                if block.get("type") == "tool_use"
            ),
            is_cut_off=message.get("stop_reason") == "max_tokens",
        )

    def refusal(self, code: str, words: str) -> Json:
        """Anthropic's shape."""
        return {"type": "error", "error": {"type": code, "message": words, "code": code}}


@dataclass(slots=True)
class MessageAssembly:
    """A message out of its events."""

    message: Json = field(default_factory=dict)
    has_ended: bool = False
    has_failed: bool = False
    _first_usage: Any = None
    """Of the beginning; of no use without that of the end."""
    _blocks: dict[int, Json] = field(default_factory=dict)
    _written: dict[int, list[str]] = field(default_factory=dict)

    def take(self, data: Json) -> None:
        """One event."""
        index = count_of(data.get("index")) or 0
        match data.get("type"):
            case "message_start" if isinstance(data.get("message"), dict):
                self.message = {**data["message"], "content": list(self._blocks.values())}
                self._first_usage = self.message.pop("usage", None)
            case "content_block_start" if isinstance(data.get("content_block"), dict):
                block = self._blocks[index] = dict(data["content_block"])
                self.message.setdefault("content", []).append(block)
            case "content_block_delta" if index in self._blocks:
                self._take_delta(index, data.get("delta"))
            case "content_block_stop" if index in self._written:
                self._blocks[index]["input"] = _parsed("".join(self._written.pop(index)))
            case "message_delta":
                self._take_end(data)
            case "message_stop":
                self.has_ended = True
            case "error":
                self.has_failed = True

    def _take_delta(self, index: int, delta: Any) -> None:
        if isinstance(part := within(delta, "partial_json"), str):
            self._written.setdefault(index, []).append(part)
        for name in ("text", "thinking", "signature"):
            if isinstance(part := within(delta, name), str):
                block = self._blocks[index]
                block[name] = text_of(block.get(name)) + part

    def _take_end(self, data: Json) -> None:
        if isinstance(reason := within(data, "delta", "stop_reason"), str):
            self.message["stop_reason"] = reason
        if isinstance(usage := data.get("usage"), dict):  # so far, not since the last
            told = {name: amount for name, amount in usage.items() if amount is not None}
            before = self.message.get("usage") or self._first_usage
            self.message["usage"] = {**(before if isinstance(before, dict) else {}), **told}


def _written(given: Any) -> str:
    return text_of(json.dumps(given, ensure_ascii=False))


def _parsed(written: str) -> Any:
    try:
        return json.loads(written) if written else {}
    except (ValueError, RecursionError):
        return written


def _usage(usage: Any) -> Usage:
    """Their `input_tokens` are those that no cache had to do with."""
    if not isinstance(usage, dict):
        return Usage()
    fresh = count_of(usage.get("input_tokens"))
    read = count_of(usage.get("cache_read_input_tokens")) or 0
    written = count_of(usage.get("cache_creation_input_tokens")) or 0
    return Usage(
        input_tokens=None if fresh is None else fresh + read + written,
        output_tokens=count_of(usage.get("output_tokens")),
        cached_tokens=read,
        reasoning_tokens=count_of(within(usage, "output_tokens_details", "thinking_tokens")),
        cache_write_tokens=written,
    )
