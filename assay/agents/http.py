"""An agent behind HTTP: one POST a run, its body a template, its answer read by paths."""

import json
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import jmespath
from pydantic_ai.exceptions import ModelHTTPError

from assay.agent_sections import PLACEHOLDER, HttpResponse, HttpSection
from assay.agents.answer import (
    MAX_ANSWER_BYTES,
    MAX_REFUSAL_BYTES,
    Failed,
    Rubbish,
    read_json,
    result_of,
    tokens_used,
    words_of_refusal,
)
from assay.agents.foreign import Foreign
from assay.agents.protocol import AgentResult, Order
from assay.agents.request import request_of
from assay.config import Config
from assay.models.endpoint import (
    CONNECT_TIMEOUT_S,
    header_secret,
    proxy_for,
    read_bounded,
    told_of_retries,
    without_secret,
)
from assay.models.retries import is_infrastructure, with_retries
from assay.models.upstream import Upstream, Waiting, shared_limiter
from assay.records import StopReason
from assay.store.tape import Tape

_BEARER = "Bearer "


@asynccontextmanager
async def open_http_agent(
    config: Config, section: HttpSection, code: str, environ: Mapping[str, str] = os.environ
) -> AsyncIterator["HttpAgent"]:
    """The configured address; nothing is asked of it yet.

    Raises:
        InputError: A variable that it needs is not set.
    """
    secrets = secret_headers(config, section, environ)
    async with aiohttp.ClientSession(
        headers={"Content-Type": "application/json", **section.headers, **secrets},
        connector=aiohttp.TCPConnector(limit=config.execution.max_concurrency),
        cookie_jar=aiohttp.DummyCookieJar(),  # a run must not know of the one before
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
    ) as session:
        yield HttpAgent(config, section, session=session, secrets=secrets.values(), code=code)


class HttpAgent(Foreign):
    """Posts each run to one address.

    Args:
        config: The configuration.
        section: Its agent.
        session: Open connections, with the headers of every request.
        secrets: What no error may repeat.
        code: Hash of the agent's own code; none of it is seen here.
    """

    def __init__(
        self,
        config: Config,
        section: HttpSection,
        *,
        session: aiohttp.ClientSession,
        secrets: Iterable[str],
        code: str,
    ) -> None:
        super().__init__(section, code=code)
        self._section = section
        self._budgets = config.budgets
        self._attempts = config.execution.attempts
        self._session = session
        self._secrets = tuple(secret.removeprefix(_BEARER).encode() for secret in secrets)
        self._proxy = proxy_for(section.url)
        where = urlsplit(section.url)
        self._upstream = Upstream(
            limiter=shared_limiter(config, (where.netloc, where.path)),
            timeout_s=config.execution.request_timeout_s,  # its one request is the whole run
            used=tokens_used,
        )
        self._tokens_of_a_run = 0

    async def run(self, order: Order, *, tape: Tape) -> AgentResult:  # noqa: ARG002 - made anew
        """Make one run."""
        told = request_of(order, self._budgets)
        posting = _Posting(
            session=self._session,
            url=self._section.url,
            proxy=self._proxy,
            secrets=self._secrets,
            body=json.dumps(filled(self._section.body, told)).encode(),
        )
        watch = order.watch
        watch.start()
        limit = watch.limit(self._budgets.max_seconds)
        try:
            async with limit:
                answer = await self._answer(posting, watch.waiting)
        except TimeoutError:
            answer = Failed(StopReason.MAX_SECONDS)
        result = result_of(
            answer,
            budgets=order.checked(self._budgets),
            latency_s=watch.elapsed_s(),
            attempts=max(1, posting.attempts),
        )
        self._tokens_of_a_run = result.total_tokens or self._tokens_of_a_run
        return result

    async def _answer(self, posting: "_Posting", waiting: Waiting) -> Mapping[str, Any] | Failed:
        async def ask() -> Mapping[str, Any]:
            return _found(self._section.response, read_json(await posting.once()))

        try:
            answer, _ = await with_retries(
                ask,
                attempts=self._attempts,
                waiting=waiting,
                upstream=replace(self._upstream, tokens=self._tokens_of_a_run),
            )
            return answer
        except Rubbish as why:
            return Failed(StopReason.AGENT_ERROR, f"the answer is {why}")
        except (ModelHTTPError, aiohttp.ClientError, OSError) as error:
            infra = is_infrastructure(error)
            stop_reason = StopReason.INFRA_ERROR if infra else StopReason.AGENT_ERROR
            return Failed(stop_reason, _words(error))


@dataclass(slots=True, kw_only=True)
class _Posting:
    """One run's request, made as often as it takes."""

    session: aiohttp.ClientSession
    url: str
    proxy: str | None
    secrets: tuple[bytes, ...]
    body: bytes
    attempts: int = 0

    async def once(self) -> bytes:
        """The body of a good answer, without the secrets that it may repeat.

        Raises:
            ModelHTTPError: The server refused.
            aiohttp.ClientError: It could not be reached.
            Rubbish: The answer is too long.
        """
        self.attempts += 1
        async with self.session.post(
            self.url,
            data=self.body,
            allow_redirects=False,  # a redirect would carry the prompt somewhere else
            proxy=self.proxy,
        ) as answer:
            if not answer.ok or answer.status >= 300:
                said = await read_bounded(answer, MAX_REFUSAL_BYTES) or b""
                words = words_of_refusal(self._safe(said))
                told = told_of_retries(answer.headers)
                raise ModelHTTPError(answer.status, "agent", words, headers=told)
            text = await read_bounded(answer, MAX_ANSWER_BYTES)
        if text is None:
            raise Rubbish(f"longer than {MAX_ANSWER_BYTES:,} bytes")
        return self._safe(text)

    def _safe(self, text: bytes) -> bytes:
        for secret in self.secrets:
            text = without_secret(text, secret)
        return text


def filled(template: Any, told: Mapping[str, Any]) -> Any:
    """The template with its placeholders replaced, in its structure: nothing said breaks out.

    A text that is one placeholder becomes the value itself, a list of messages, say; within
    a longer text the value stands as text.

    >>> filled({"q": "{{input}}", "say": "<{{input}}>"}, {"input": 'a "quote"'})
    {'q': 'a "quote"', 'say': '<a "quote">'}
    """
    if isinstance(template, dict):
        return {key: filled(inner, told) for key, inner in template.items()}
    if isinstance(template, list):
        return [filled(inner, told) for inner in template]
    if not isinstance(template, str):
        return template
    if whole := PLACEHOLDER.fullmatch(template):
        return told[whole.group(1)]
    return PLACEHOLDER.sub(lambda found: _as_text(told[found.group(1)]), template)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _found(paths: HttpResponse, answer: Any) -> dict[str, Any]:
    """What the paths lead to, by our names.

    Raises:
        Rubbish: An expression cannot be applied.
    """
    try:
        return {name: jmespath.search(path, answer) for name, path in paths}
    except jmespath.exceptions.JMESPathError as error:
        raise Rubbish(f"not as agent.response expects: {error}") from None


def _words(error: Exception) -> str:
    if isinstance(error, ModelHTTPError):
        return f"HTTP {error.status_code}: {error.body}"
    return f"no answer ({type(error).__name__})"  # its own words repeat the address


def secret_headers(
    config: Config, section: HttpSection, environ: Mapping[str, str]
) -> dict[str, str]:
    """The headers that hold secrets.

    Raises:
        InputError: A variable is not set, or cannot be a header.
    """
    named = dict(section.headers_env)
    if section.api_key_env is not None:
        named["Authorization"] = section.api_key_env
    found = {
        header: header_secret(variable, environ, whose="agent", path=config.path)
        for header, variable in named.items()
    }
    if section.api_key_env is not None:
        found["Authorization"] = _BEARER + found["Authorization"]
    return found
