"""A real HTTP server that judges as it is told, and counts what it was asked and what it told."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.fakes.openai_server import Asked, FakeOpenAI, Reply, says


@dataclass(frozen=True)
class Case:
    """One question, as a judge sees it."""

    body: dict[str, Any]
    number: int
    """How many came before it."""

    @property
    def system(self) -> str:
        text: str = self.body["messages"][0]["content"]
        return text

    @property
    def text(self) -> str:
        text: str = self.body["messages"][1]["content"]
        return text

    @property
    def seed(self) -> int:
        seed: int = self.body["seed"]
        return seed


def rules(passed: Any, reason: str = "as the rubric says", **further: Any) -> Reply:
    """A judge's answer; `usage` in further is as `says` takes it."""
    how = {"usage": further.pop("usage", (200, 20))}
    return says(json.dumps({"reason": reason, "pass": passed, **further}), **how)


class FakeJudge(FakeOpenAI):
    """Answers each question by a function of it, and adds up the tokens that it told."""

    def __init__(self, opinion: Callable[[Case], Reply] = lambda _: rules(True)) -> None:
        super().__init__([])
        self.opinion = opinion
        self.cases: list[Case] = []
        self.tokens_told = 0

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        case = Case(await request.json(), len(self.cases))
        self.cases.append(case)
        self.asked.append(Asked(case.body, dict(request.headers)))
        reply = self.opinion(case)
        if reply.fault is not None:
            return await self._fail(request, reply.fault)
        usage = json.loads(reply.body).get("usage") or {} if reply.status == 200 else {}
        self.tokens_told += usage.get("total_tokens", 0)
        return web.Response(
            status=reply.status,
            body=reply.body,
            headers={"Content-Type": "application/json", **reply.headers},
        )
