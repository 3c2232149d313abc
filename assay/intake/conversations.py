"""Chat messages as OpenAI's API writes them, as a golden task's input."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from assay.intake.harvest import LeftOut
from assay.wording import cut

SYSTEM = ("system", "developer")


@dataclass(frozen=True, slots=True)
class Conversation:
    """What the user said last with all before it, and what came after it."""

    messages: tuple[dict[str, str], ...]
    """`{role, content}` of user and assistant; the last is the user's."""
    system: str
    """The text of the system messages."""
    answer: str | None
    """The assistant's last text after them."""
    tools: tuple[str, ...]
    """The tools called after them, each once."""
    dropped: tuple[tuple[str, str], ...]
    """What of the messages is not in `messages`: what, why."""

    @property
    def input(self) -> str | list[dict[str, str]]:
        """The user's text where it is all; else the messages."""
        return as_input(self.messages)


def as_input(messages: tuple[dict[str, str], ...]) -> str | list[dict[str, str]]:
    """A golden task's input: the text where there is one message, else all of them."""
    return messages[0]["content"] if len(messages) == 1 else list(messages)


def is_conversation(value: Any) -> bool:
    """Whether these are chat messages."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, dict) and isinstance(each.get("role"), str) for each in value)
    )


def conversation_of(messages: Any) -> Conversation:
    """Chat messages, parted at the user's last one.

    Raises:
        LeftOut: They are no messages, or the user says nothing in text.
    """
    if not is_conversation(messages):
        raise LeftOut("messages", "the messages are no list of {role, content}")
    last = max((n for n, each in enumerate(messages) if each["role"] == "user"), default=None)
    if last is None:
        raise LeftOut("messages", "none of the messages is the user's")
    before, after = messages[: last + 1], messages[last + 1 :]
    if not text_of(messages[last].get("content")):
        raise LeftOut("messages", "the user's last message has no text")
    kept = [
        {"role": each["role"], "content": text_of(each.get("content"))}
        for each in before
        if each["role"] in ("user", "assistant") and text_of(each.get("content"))
    ]
    answers = [text_of(each.get("content")) for each in after if each["role"] == "assistant"]
    system = [text_of(each.get("content")) for each in before if each["role"] in SYSTEM]
    return Conversation(
        messages=tuple(kept),
        system="\n\n".join(filter(None, system)),
        answer=next((text for text in reversed(answers) if text), None),
        tools=tuple(dict.fromkeys(name for each in after for name in _tools(each))),
        dropped=tuple(dict.fromkeys(loss for each in before for loss in _losses(each))),
    )


def _losses(message: dict[str, Any]) -> Iterator[tuple[str, str]]:
    role, content = message["role"], message.get("content")
    if role in SYSTEM:
        yield "system message", "the prompt under test stands in its place"
        return
    if role not in ("user", "assistant"):
        yield f"message of the role {cut(role)}", "golden tasks hold what user and assistant said"
        return
    if any(_tools(message)):
        yield "tool call before the last question", "golden tasks hold what was said"
    if not text_of(content):
        yield "message without text", "golden tasks hold text"
    elif isinstance(content, list) and not all(text_of([part]) for part in content):
        yield "part of a message", "it is no text"


def _tools(message: dict[str, Any]) -> Iterator[str]:
    """The names of the tools that a message calls."""
    calls = message.get("tool_calls")
    named = [call.get("function") for call in _dicts(calls)]
    named.append(message.get("function_call"))
    parts = _dicts(message.get("content"))
    named += [part for part in parts if part.get("type") == "tool_use"]
    for each in named:
        if isinstance(each, dict) and isinstance(each.get("name"), str) and each["name"]:
            yield each["name"]


def text_of(content: Any) -> str:
    """The text of a message, or of its parts that are text."""
    if isinstance(content, str):
        return content if content.strip() else ""
    texts = [part.get("text") for part in _dicts(content)]
    return "\n".join(text for text in texts if isinstance(text, str) and text.strip())


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
