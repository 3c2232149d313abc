"""One run's tape at the proxy: what was asked and answered is kept, or a record answers.

Requests of a run may be under way side by side, so that their numbers mean nothing: an exchange
is found again by what was asked, equal requests in their order.
"""

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator

import orjson
from pydantic import BaseModel

from assay.agents.proxy.answers import content_type
from assay.agents.proxy.prints import Printer
from assay.agents.proxy.responder import Answer, Asked
from assay.budgets import Stopwatch
from assay.store.record import MAX_RUN_BYTES, without_secrets
from assay.store.tape import Exchange, Request, Tape


class Lost(Exception):
    """When it was recorded the answer did not come, or not to its end.

    Args:
        name: Of what broke it.
        was_sent: Whether it may have used something, nobody knows what.
    """

    def __init__(self, name: str, *, was_sent: bool) -> None:
        super().__init__(name)
        self.name, self.was_sent = name, was_sent


class Kept(BaseModel):
    """An answer as the tape has it."""

    status: int = 0
    content_type: str = ""
    text: str | None = None
    base64: str | None = None
    """What is no text."""
    lost: str | None = None
    """What broke it, where it did not come."""
    was_sent: bool = True
    """Whether what did not come may have used something."""

    @classmethod
    def of(cls, answer: Answer, content: bytes) -> "Kept":
        """An answer that has come in whole."""
        kept = cls(status=answer.status, content_type=content_type(answer))
        try:
            kept.text = content.decode()
        except UnicodeDecodeError:
            kept.base64 = b64encode(content).decode()
        return kept

    @property
    def content(self) -> bytes:
        """Byte for byte, streams with their events."""
        return b64decode(self.base64) if self.base64 else (self.text or "").encode()


class TapedRun:
    """Keeps one run's exchanges, or has them from a record.

    Args:
        tape: The run's.
        secrets: What no record may hold.
        watch: The run's clock.
    """

    def __init__(self, tape: Tape, *, secrets: tuple[bytes, ...], watch: Stopwatch) -> None:
        self._tape, self._secrets, self._watch = tape, secrets, watch
        self._printer = Printer(secrets)
        self._kept_bytes = 0

    def asked(self, asked: Asked) -> Request:
        """What the agent asks, as it is kept and found again."""
        return self._printer.of(asked)

    def answer(self, request: Request) -> Answer | None:
        """What was answered when it was recorded; None where the provider is to be asked.

        Raises:
            Unanswered: It is not in the record.
            Lost: Nothing was.
        """
        if (exchange := self._tape.find(request)) is None:
            return None
        kept = Kept.model_validate_json(exchange.message)
        if kept.lost is not None:
            raise Lost(kept.lost, was_sent=kept.was_sent)
        return Answer(
            status=kept.status,
            headers={"Content-Type": kept.content_type},
            chunks=_in_one(kept.content),
            attempts=exchange.attempts,
        )

    def keep(self, request: Request, answer: Answer, content: bytes, *, attempts: int) -> None:
        """Keep what was answered."""
        kept = Kept.of(answer, without_secrets(content, self._secrets))
        self._record(request, kept, attempts=attempts)

    def keep_lost(self, request: Request, name: str, *, was_sent: bool) -> None:
        """Keep that nothing was, or not to its end."""
        self._record(request, Kept(lost=name, was_sent=was_sent), attempts=1)

    def _record(self, request: Request, kept: Kept, *, attempts: int) -> None:
        if self._kept_bytes > MAX_RUN_BYTES:
            return  # the run is in no record any more
        message = orjson.dumps(kept.model_dump(exclude_defaults=True))
        self._kept_bytes += len(message)
        self._tape.record(
            Exchange(
                step=len(self._tape.exchanges),
                call=None,
                message=message,
                elapsed_s=self._watch.elapsed_s(),
                attempts=attempts,
                request=request,
            )
        )


async def _in_one(content: bytes) -> AsyncIterator[bytes]:
    yield content
