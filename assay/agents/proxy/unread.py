"""Requests below the base address that are none of the three APIs: sent on as they are.

Models, embeddings, files and the counting of tokens are no answers of a model, and count for
nothing. Whatever else is posted may be one: it is a request, and what it used is unknown.
"""

import re

from assay.agents.proxy.dialect import Dialect, Json, Reply

_GENERATES_NOTHING = re.compile(
    r"(?:/v1)?/(?:embeddings|moderations|files|uploads|vector_stores|conversations"
    r"|responses/input_tokens|messages/count_tokens|models|tokenize|detokenize|rerank)(?:/|$)"
)


class Unread(Dialect):
    """An API that is not known."""

    def wanted_output(self, body: Json) -> int | None:  # noqa: ARG002
        """Unknown."""
        return None

    def least_output(self, body: Json) -> int:  # noqa: ARG002
        """Unknown."""
        return 1

    def limit_output(self, body: Json, most: int, *, host: str) -> None:
        """It has no limit that is known."""

    def inject(self, body: Json, prompt: str) -> None:
        """There is no place for it."""

    def assembly(self) -> "UnreadAssembly":
        """Nothing is put together."""
        return UnreadAssembly()

    def read(self, message: Json) -> Reply:  # noqa: ARG002
        """Unknown."""
        return Reply()

    def refusal(self, code: str, words: str) -> Json:
        """As most write it."""
        return {"error": {"message": words, "type": code, "code": code}}


class UnreadAssembly:
    """Of a stream that nobody reads."""

    def __init__(self) -> None:
        self.message: Json = {}
        self.has_ended = False
        self.has_failed = False

    def take(self, data: Json) -> None:
        """Nothing."""


def generates(method: str, path: str) -> bool:
    """Whether a request below the base address may be answered by a model."""
    return method == "POST" and not _GENERATES_NOTHING.match(path)
