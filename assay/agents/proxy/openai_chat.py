"""OpenAI's chat completions, as many servers speak them."""

from dataclasses import dataclass, field
from typing import Any

from assay.agents.proxy.dialect import Dialect, Json, Reply, Usage, bring_down
from assay.agents.proxy.reading import count_of, objects_in, text_of, within

MAX_CALLS = 10_000
SYSTEM_ROLES = ("system", "developer")
_LIMITS = ("max_completion_tokens", "max_tokens")


class OpenAIChat(Dialect):
    """`/chat/completions`."""

    def wanted_output(self, body: Json) -> int | None:
        """Of all choices together."""
        wanted = [each for name in _LIMITS if (each := count_of(body.get(name))) is not None]
        return min(wanted) * _choices(body) if wanted else None

    def least_output(self, body: Json) -> int:
        """A token for each choice."""
        return _choices(body)

    def limit_output(self, body: Json, most: int, *, host: str) -> None:
        """Each choice may be as long; newer models of OpenAI know the longer name only."""
        each = most // _choices(body)
        given = [name for name in _LIMITS if body.get(name) is not None]
        own = host.endswith(("openai.com", "openai.azure.com"))
        for name in given or (_LIMITS[:1] if own else _LIMITS[1:]):
            bring_down(body, name, each)

    def inject(self, body: Json, prompt: str) -> None:
        """The first system or developer message becomes the prompt."""
        messages = body.get("messages")
        if not isinstance(messages, list):
            return
        for message in objects_in(messages):
            if message.get("role") in SYSTEM_ROLES:
                message["content"] = prompt
                return
        messages.insert(0, {"role": "system", "content": prompt})

    def ask_for_usage(self, body: Json) -> bool:
        """Only what is streamed has to be told."""
        options = body.get("stream_options")
        if not body.get("stream") or within(options, "include_usage"):
            return False
        body["stream_options"] = {
            **(options if isinstance(options, dict) else {}),
            "include_usage": True,
        }
        return True

    def is_usage_only(self, data: Json) -> bool:
        """The last chunk has no choice."""
        return data.get("choices") == [] and isinstance(data.get("usage"), dict)

    def assembly(self) -> "ChatAssembly":
        """Chunks, up to `[DONE]`."""
        return ChatAssembly()

    def read(self, message: Json) -> Reply:
        """Of all choices."""
        choices = objects_in(message.get("choices"))
        return Reply(
            usage=usage_of(message.get("usage"), "prompt", "completion"),
            calls=tuple(call for choice in choices for call in _calls(choice.get("message"))),
            is_cut_off=any(choice.get("finish_reason") == "length" for choice in choices),
        )

    def refusal(self, code: str, words: str) -> Json:
        """OpenAI's shape, which the responses API shares."""
        return {"error": {"message": words, "type": code, "param": None, "code": code}}


@dataclass(slots=True)
class ChatAssembly:
    """A completion out of its chunks."""

    message: Json = field(default_factory=lambda: {"object": "chat.completion", "choices": []})
    has_ended: bool = False
    has_failed: bool = False
    _choices: dict[int, Json] = field(default_factory=dict)
    _calls: dict[tuple[int, int], Json] = field(default_factory=dict)
    _n_calls: int = 0

    def take(self, data: Json) -> None:
        """One chunk."""
        if "error" in data and "choices" not in data:
            self.has_failed = True
        for name in ("id", "model", "usage"):
            if data.get(name) is not None:
                self.message[name] = data[name]
        for choice in objects_in(data.get("choices")):
            self._take_choice(choice)

    def _take_choice(self, chunk: Json) -> None:
        index = count_of(chunk.get("index")) or 0
        if (choice := self._choices.get(index)) is None:
            message = {"role": "assistant", "content": None}
            choice = {"index": index, "message": message, "finish_reason": None}
            self._choices[index] = choice
            self.message["choices"].append(choice)
        delta = chunk.get("delta")
        _append(choice["message"], "content", within(delta, "content"))
        for call in objects_in(within(delta, "tool_calls")):
            self._take_call(index, choice["message"], call)
        if isinstance(old := within(delta, "function_call"), dict):
            call = choice["message"].setdefault("function_call", {"name": "", "arguments": ""})
            _append(call, "name", old.get("name"))
            _append(call, "arguments", old.get("arguments"))
        choice["finish_reason"] = chunk.get("finish_reason") or choice["finish_reason"]

    def _take_call(self, choice: int, message: Json, chunk: Json) -> None:
        slot = choice, count_of(chunk.get("index")) or 0
        call, id_ = self._calls.get(slot), chunk.get("id")
        # Some servers give every parallel call the index 0, and each an id of its own.
        if call is None or (id_ and call["id"] and id_ != call["id"]):
            self._n_calls += 1
            if self._n_calls > MAX_CALLS:
                return
            call = {"id": id_, "type": "function", "function": {"name": "", "arguments": ""}}
            self._calls[slot] = call
            message.setdefault("tool_calls", []).append(call)
        call["type"] = chunk.get("type") or call["type"]
        part = chunk.get("function")
        _append(call["function"], "name", within(part, "name"))
        _append(call["function"], "arguments", within(part, "arguments"))
        if isinstance(custom := chunk.get("custom"), dict):
            call["custom"] = call.get("custom") or {"name": "", "input": ""}
            _append(call["custom"], "name", custom.get("name"))
            _append(call["custom"], "input", custom.get("input"))


def _append(to: Json, name: str, more: Any) -> None:
    if isinstance(more, str):
        to[name] = (to.get(name) or "") + more


def _choices(body: Json) -> int:
    return max(1, count_of(body.get("n")) or 1)


def _calls(message: Any) -> list[tuple[str, str]]:
    found = []
    for call in objects_in(within(message, "tool_calls")):
        kind = "custom" if isinstance(call.get("custom"), dict) else "function"
        given = within(call, kind, "input" if kind == "custom" else "arguments")
        found.append((text_of(within(call, kind, "name")), text_of(given)))
    if isinstance(old := within(message, "function_call"), dict):
        found.append((text_of(old.get("name")), text_of(old.get("arguments"))))
    return found


def usage_of(usage: Any, given: str, made: str) -> Usage:
    """What OpenAI's APIs say was used; they have other words for the two sides."""
    return Usage(
        input_tokens=count_of(within(usage, f"{given}_tokens")),
        output_tokens=count_of(within(usage, f"{made}_tokens")),
        cached_tokens=count_of(within(usage, f"{given}_tokens_details", "cached_tokens")),
        reasoning_tokens=count_of(within(usage, f"{made}_tokens_details", "reasoning_tokens")),
    )
