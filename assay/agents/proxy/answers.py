"""An answer on its way back: how it is read within bounds, and what an error looks like."""

import json
from typing import Any

from aiohttp import web
from pydantic_ai.exceptions import ModelHTTPError

from assay.agents.proxy.dialect import Dialect
from assay.agents.proxy.responder import Answer
from assay.hostile import Undecided, parsed_json
from assay.wording import cut, one_line

MAX_QUOTED_CHARS = 300
NOT_AGAIN = {"x-should-retry": "false"}
"""Official clients then make no attempt of their own: one layer of retries is enough."""
_TELLING_HEADERS = ("retry-after", "retry-after-ms", "x-should-retry")


class TooLong(Exception):
    """The answer is longer than is read."""


class HungUp(Exception):
    """The agent does not wait for an answer any more, so that none is asked for."""


class Refused(ModelHTTPError):
    """The provider refused; what it said is passed on, if no other try helps.

    Args:
        answer: Its status and headers.
        content: What it said, without secrets.
    """

    def __init__(self, answer: Answer, content: bytes) -> None:
        headers = _lower(answer)
        told = {name: headers[name] for name in _TELLING_HEADERS if name in headers}
        words = one_line(content.decode(errors="replace").strip(), max_chars=MAX_QUOTED_CHARS + 1)
        super().__init__(answer.status, "model", cut(words, MAX_QUOTED_CHARS), headers=told)
        self.answer, self.content = answer, content


async def read_all(answer: Answer, max_bytes: int) -> bytes | None:
    """All that is left of it, or None as soon as it is too long."""
    content = bytearray()
    async for chunk in answer.chunks:
        content += chunk
        if len(content) > max_bytes:
            return None
    return bytes(content)


def content_type(answer: Answer) -> str:
    """In lower case, without its parameters; empty where it is not said."""
    return _lower(answer).get("content-type", "").partition(";")[0].strip().lower()


def parsed(content: bytes) -> dict[str, Any] | None:
    """A JSON object, or None."""
    try:
        value = parsed_json(content.decode())
    except (ValueError, Undecided):
        return None
    return value if isinstance(value, dict) else None


def error_response(dialect: Dialect, status: int, code: str, words: str) -> web.Response:
    """An error in the provider's shape, that its clients do not try again."""
    text = json.dumps(dialect.refusal(code, words))
    return web.Response(
        status=status, headers=NOT_AGAIN, text=text, content_type="application/json"
    )


def _lower(answer: Answer) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}
