"""One model that judges: asked the same question several times, the majority decides.

What fails here is the judge's doing and never the prompt's: without enough answers a check is
undecided. Every answer is kept as it comes, so that none is paid for twice.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from pydantic_ai.exceptions import ModelHTTPError, UnexpectedModelBehavior
from pydantic_ai.messages import ModelRequest, ModelResponse, SystemPromptPart, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from assay.config import BuiltinSection, Config
from assay.errors import AssayError, InputError
from assay.judges.purse import Purse, PurseEmpty
from assay.judges.question import INSTRUCTIONS, NoAnswer, Question, one_line
from assay.judges.ruling import Answer, Place, Words
from assay.models.openai_compatible import OpenAICompatibleModel
from assay.models.prices import Price, PriceTable
from assay.models.recorded import silent_source
from assay.models.retries import with_retries
from assay.models.source import ModelSource, params_hash, run_seed
from assay.models.sources import open_model
from assay.models.upstream import CHARS_PER_TOKEN, Upstream, upstream_of
from assay.records import RunKey
from assay.store.record import RecordHeader

BUDGET = "judge.max_spend_usd"
TIMEOUT_S = 120.0
"""For one answer, unless `judge.model_settings` says otherwise."""
TEMPLATE_TOKENS = 100
"""More than what a server puts around two messages."""
NOT_UNDERSTOOD = frozenset({400, 422})
"""Statuses with which servers refuse a key that they do not know, such as `response_format`."""

Keep = Callable[[Answer], None]
"""Told every answer as it comes; when it returns the answer survives a kill of the process."""
Heard = Mapping[Place, Answer]
"""Answers of an interrupted attempt, which are not asked for again."""


@asynccontextmanager
async def open_judge(config: Config) -> AsyncIterator["Judge"]:
    """The configured judge, open until the block ends.

    Raises:
        InputError: The model cannot be had as configured, or there is a budget and its
            price is not known.
    """
    section, name = config.judge, config.judge.model or ""
    as_agent = BuiltinSection(
        model=name,
        base_url=section.base_url,
        api_key_env=section.api_key_env,
        model_settings=section.model_settings,
    )
    async with AsyncExitStack() as stack:
        try:
            source = await stack.enter_async_context(
                open_model(
                    as_agent, base_folder=config.folder, max_concurrency=section.max_concurrency
                )
            )
        except InputError as refused:
            raise _of_the_judge(refused) from None
        price = PriceTable({name: section.prices} if section.prices else {}).price_of(
            name, source.price_ref
        )
        _refuse_unknown_spend(config, price)
        at_once = min(section.max_concurrency, source.max_concurrency or section.max_concurrency)
        yield Judge(
            name=f"{source.name} {_setup_hash(config, source)}",
            repeats=section.repeats,
            attempts=config.execution.attempts,
            purse=Purse(section.max_spend_usd),
            _source=source,
            _price=price,
            _settings={
                "timeout": TIMEOUT_S,
                **source.settings,
                "max_tokens": section.max_tokens,
            },
            _turns=asyncio.Semaphore(at_once),
            _upstream=replace(upstream_of(config, source), timeout_s=None),  # it has its own
        )


def recorded_judge(config: Config, header: RecordHeader) -> "Judge":
    """The judge of a record: what it answered is known, and it is asked nothing.

    Raises:
        InputError: The record has no judge, or another one than the configuration.
    """
    then = dict(header.judge or {})
    name = str(then.pop("name", ""))
    if then != judge_section(config):
        raise InputError(
            f"the record of evaluation {header.evaluation_id} was judged by "
            f"{name or 'nobody'}, or otherwise than judge says now",
            path=config.path,
            mend="put judge back as it was, or record anew",
        )
    return Judge(
        name=name,
        repeats=config.judge.repeats,
        attempts=config.execution.attempts,
        purse=Purse(),
        _source=silent_source(name),
        _price=Price(),
        _settings={"max_tokens": config.judge.max_tokens},
        _turns=asyncio.Semaphore(1),
        _upstream=Upstream(),
    )


def judge_section(config: Config) -> dict[str, Any]:
    """What the configuration says of how judges are asked."""
    asked = {"model", "base_url", "model_settings", "repeats", "max_tokens"}
    section = config.judge.model_dump(mode="json", include=asked)
    return section | {"model_settings": params_hash(**section["model_settings"])}


def _setup_hash(config: Config, source: ModelSource) -> str:
    """12 hex digits over what beside a question bears on its answers."""
    asked = config.judge.model_dump(include={"repeats", "max_tokens"})
    return params_hash(model=source.params_hash, instructions=INSTRUCTIONS, **asked)


def _of_the_judge(refused: InputError) -> InputError:
    """The keys are called as the agent's are, and stand in another section."""
    problem, mend = (
        words and words.replace("agent.", "judge.") for words in (refused.problem, refused.mend)
    )
    return InputError(problem or "", mend=mend)


def _refuse_unknown_spend(config: Config, price: Price) -> None:
    """A limit in dollars on something without a price would limit nothing."""
    if config.judge.max_spend_usd is not None and not price.is_known:
        raise InputError(
            f"{BUDGET} is set, but no price is known for {config.judge.model!r}",
            path=config.path,
            mend="give its prices in judge.prices, or remove the limit",
        )


@dataclass(slots=True, kw_only=True)
class Judge:
    """A model with a purse, open for questions."""

    name: str
    """As stored in the `judge_model` column: the model, and a hash of how it is asked."""
    repeats: int
    attempts: int
    purse: Purse
    _source: ModelSource
    _price: Price
    _settings: ModelSettings
    _turns: asyncio.Semaphore
    _upstream: Upstream
    _takes_format: bool = True
    """Whether the server takes a `response_format`, as far as it is known."""

    async def words_on(
        self,
        question: Question,
        *,
        check: int,
        key: RunKey,
        heard: Heard,
        keep: Keep,
    ) -> Words:
        """What all judges say.

        Args:
            question: The output and its rubric.
            check: Number of the check in its golden task, 0-based.
            key: Whose output it is: all seeds hang on it.
            heard: Answers of an interrupted attempt; they are not asked for again.
            keep: Where new ones are kept.
        """
        asking = _Asking(self, question, check, key, heard, keep)
        said = await asyncio.gather(*(asking.one(n) for n in range(1, self.repeats + 1)))
        return Words(
            votes=tuple(answers[-1].passed if answers else None for answers, _ in said),
            answers=tuple(answer for answers, _ in said for answer in answers),
            problem=next((problem for _, problem in said if problem), ""),
        )

    async def ask(self, question: Question, key: RunKey, seed: int) -> ModelResponse:
        """One answer, with retries of what may pass.

        Raises:
            PurseEmpty: It cannot be paid for.
            Exception: What the last request raised.
        """
        model = self._source.for_run(key)
        tokens = (len(question.system) + len(question.text)) // CHARS_PER_TOKEN
        async with self._turns:
            response, _ = await with_retries(
                lambda: self._request(model, question, seed),
                attempts=self.attempts,
                waiting=nullcontext,
                upstream=replace(self._upstream, tokens=tokens),
            )
        return response

    def spend_usd(self, response: ModelResponse) -> float | None:
        """What an answer cost."""
        return self._price.spend_usd(response.usage)

    async def _request(self, model: Model, question: Question, seed: int) -> ModelResponse:
        settings: ModelSettings = {"seed": seed, **self._settings}
        if not (self._takes_format and isinstance(model, OpenAICompatibleModel)):
            return await self._paid(model, question, settings)
        try:
            return await self._paid(model, question, _with_format(settings, question))
        except ModelHTTPError as refused:
            if refused.status_code not in NOT_UNDERSTOOD:
                raise
            response = await self._paid(model, question, settings)
            self._takes_format = False  # that was it
            return response

    async def _paid(
        self, model: Model, question: Question, settings: ModelSettings
    ) -> ModelResponse:
        asked = ModelRequest(
            parts=[SystemPromptPart(question.system), UserPromptPart(question.text)]
        )
        async with self.purse.paying(self._most_usd(question)) as bill:
            try:
                response = await model.request([asked], settings, ModelRequestParameters())
            except ModelHTTPError:
                bill(0.0)  # refused; what was cut off instead may be on the provider's bill
                raise
            bill(self.spend_usd(response))
        return response

    def _most_usd(self, question: Question) -> float | None:
        """The most that a question may cost: no token is shorter than a byte."""
        sent = f"{question.system}{question.text}{question.response_format}"
        size = len(sent.encode("utf-8", "replace")) + TEMPLATE_TOKENS
        return self._price.of_tokens(size, self._settings["max_tokens"])


@dataclass(frozen=True, slots=True)
class _Asking:
    """One question on its way through all judges."""

    judge: Judge
    question: Question
    check: int
    key: RunKey
    heard: Heard
    keep: Keep

    async def one(self, repeat: int) -> tuple[list[Answer], str]:
        """Every answer of one judge, the last one valid; or why there is no valid one."""
        answers: list[Answer] = []
        problem = ""
        for attempt in range(self.judge.attempts):
            try:
                answers.append(await self._answer(repeat, attempt))
            except PurseEmpty:
                return answers, f"{BUDGET} is spent"
            except UnexpectedModelBehavior as nonsense:
                problem = one_line(str(nonsense))
                continue
            except AssayError:  # what was answered cannot be kept
                raise
            except Exception as failed:  # noqa: BLE001 - the outside world's failure is data
                return answers, one_line(f"{type(failed).__name__}: {failed}")
            if answers[-1].passed is not None:
                return answers, ""
            problem = answers[-1].reason
        return answers, problem

    async def _answer(self, repeat: int, attempt: int) -> Answer:
        if (answer := self.heard.get((self.check, repeat, attempt))) is not None:
            return answer
        seed = judge_seed(self.key, self.check, repeat, attempt)
        response = await self.judge.ask(self.question, self.key, seed)
        passed, reason = _read(self.question, response)
        usage = response.usage
        answer = Answer(
            check=self.check,
            repeat=repeat,
            attempt=attempt,
            passed=passed,
            reason=reason,
            tokens=None if usage.unmeasured_requests else usage.total_tokens,
            spend_usd=self.judge.spend_usd(response),
        )
        self.keep(answer)
        return answer


def judge_seed(key: RunKey, *place: int) -> int:
    """The seed of one question, in [0, 2**31): another for each check, judge and attempt."""
    parts = "\0".join(map(str, (run_seed(key), *place)))
    return int.from_bytes(hashlib.sha256(parts.encode()).digest()[:4]) >> 1


def _read(question: Question, response: ModelResponse) -> tuple[bool | None, str]:
    """Whether the answer says pass, and why; None where it is no answer."""
    try:
        opinion = question.read(response.text or "")
    except NoAnswer as nothing:
        return None, str(nothing)
    return opinion.passed, opinion.reason


def _with_format(settings: ModelSettings, question: Question) -> ModelSettings:
    """With the answer's JSON Schema, unless the user's own settings say another format."""
    extra: Any = settings.get("extra_body") or {}
    return {**settings, "extra_body": {"response_format": question.response_format, **extra}}
