"""An answer on its way back: how it is read within bounds, and what an error looks like."""

import json
from typing import Any

from aiohttp import web
from pydantic_ai.exceptions import ModelHTTPError

from assay.agents.answer import words_of_refusal
from assay.agents.proxy.dialect import Dialect
from assay.agents.proxy.responder import Answer
from assay.hostile import Undecided, parsed_json
from assay.models.endpoint import told_of_retries

NOT_AGAIN = {"x-should-retry": "false"}
"""Official clients then make no attempt of their own: one layer of retries is enough."""


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
        told = told_of_retries(_lower(answer))
        super().__init__(answer.status, "model", words_of_refusal(content), headers=told)
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
