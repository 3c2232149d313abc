"""Which answers of Prefect's server are asked for again."""

from contextlib import suppress
from typing import Any

import pytest

from assay.server.patience import Patience


class Busy:
    """Answers 503 so many times, then 201 with the body it was sent."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.asked = 0
        self.locked = OSError("database is locked")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        body += message["body"]
        self.left -= 1
        status = 503 if self.left >= 0 else 201
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})
        if status == 503:
            raise self.locked  # Starlette raises once more what it has answered


async def ask(application: Busy, *, method: str = "POST") -> list[tuple[int, bytes]]:
    """Status and body of every answer that came through."""
    parts = iter([b"all ", b"of it"])
    sent: list[Any] = []

    async def receive() -> Any:
        part = next(parts)
        return {"type": "http.request", "body": part, "more_body": part == b"all "}

    async def send(message: Any) -> None:
        sent.append(message)

    patient = Patience(application, waits_s=(0, 0))
    with suppress(OSError):
        await patient({"type": "http", "method": method}, receive, send)
    return [
        (start["status"], end["body"]) for start, end in zip(sent[::2], sent[1::2], strict=True)
    ]


@pytest.mark.parametrize("times", [0, 1, 2])
async def test_a_change_that_met_a_busy_database_is_asked_for_again(times: int) -> None:
    """A click on `rollback` right after a large run must not end as an error page."""
    application = Busy(times)
    assert await ask(application) == [(201, b"all of it")]
    assert application.asked == times + 1


async def test_a_database_that_stays_busy_is_said_so() -> None:
    """Nobody waits for ever, and the last answer is the true one."""
    assert await ask(Busy(9)) == [(503, b"all of it")]


async def test_what_changes_nothing_is_passed_on_as_it_is() -> None:
    """Reading is what the page does all the time; it asks again by itself."""
    application = Busy(1)
    assert await ask(application, method="GET") == [(503, b"all of it")]
    assert application.asked == 1
