"""The built-in agent: a small tool loop over pydantic-ai's model interface.

The loop is ours, so that each budget stops exactly where it says, each exchange
can be kept as it happens, and an interrupted run goes on where it was.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pydantic import TypeAdapter
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from assay.agents.faults import RunFaults
from assay.agents.protocol import AgentResult, Order, ToolCall
from assay.agents.recorded_world import header_of
from assay.agents.request_print import RequestPrinter
from assay.agents.toolbox import Toolbox, ToolsGone, answered
from assay.budgets import Meter, Refusal, RequestUse, Stopwatch, ToolPolicy
from assay.config import Budgets, Config
from assay.fault_sections import ToolFaults
from assay.models.prices import Price
from assay.models.retries import is_infrastructure, request_with_retries
from assay.models.source import ModelSource
from assay.models.upstream import CHARS_PER_TOKEN, Upstream
from assay.prompts import system_prompt
from assay.records import StopReason
from assay.store.record import RecordHeader
from assay.store.tape import Exchange, Request, Tape, Unanswered
from assay.tool_schemas import ToolSchemas

MAX_ERROR_CHARS = 2_000
_RESPONSE = TypeAdapter(ModelResponse)
_RETURN = TypeAdapter(ToolReturnPart)


class Ending(NamedTuple):
    """How a run ended, and what broke it, if anything did."""

    stop_reason: StopReason
    error: str | None = None


class ModelFailed(Exception):
    """A request to the model failed for good: the provider's doing, or the agent's."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        infra = is_infrastructure(error)
        self.stop_reason = StopReason.INFRA_ERROR if infra else StopReason.AGENT_ERROR
        self.words = f"{type(error).__name__}: {error}"[:MAX_ERROR_CHARS]


class BuiltinAgent:
    """Runs golden tasks against a model with tools, under budgets.

    Args:
        name: As stored in the `agent` column.
        source: Opened models, one per run.
        price: Of the requests to that model.
        toolbox: The tools that are offered.
        budgets: Limits of each run.
        policy: Which tools may be called, and how often.
        attempts: Requests made for one answer at most, counting the first.
        faults: What goes wrong on purpose, by tool.
        secrets: What a record of the runs must not hold.
        upstream: How the model is to be asked.
    """

    def __init__(
        self,
        *,
        name: str,
        source: ModelSource,
        price: Price,
        toolbox: Toolbox,
        budgets: Budgets,
        policy: ToolPolicy,
        attempts: int,
        faults: Mapping[str, ToolFaults] | None = None,
        secrets: tuple[bytes, ...] = (),
        upstream: Upstream = Upstream(),  # noqa: B008 - frozen
    ) -> None:
        self.name = name
        self.model = source.name
        self.model_params_hash = source.params_hash
        self.tools_hash = toolbox.tools_hash
        self.tool_schemas: ToolSchemas | None = toolbox.schemas
        self.price_table = price.table
        self.max_concurrency = source.max_concurrency
        self._source = source
        self._price = price
        self._toolbox = toolbox
        self._budgets = budgets
        self._policy = policy
        self._attempts = attempts
        self._upstream = upstream
        self._faults = faults or {}
        self._secrets = secrets

    def record_header(self, config: Config, evaluation_id: str) -> RecordHeader:
        """What a record of its runs begins with."""
        return header_of(config, evaluation_id, source=self._source, toolbox=self._toolbox)

    async def run(self, order: Order, *, tape: Tape) -> AgentResult:
        """Make one run, from the start or from where `tape` was cut off."""
        run = _Run(
            order=order,
            tape=tape,
            model=self._source.for_run(order.scope.key),
            settings=self._source.settings_for(order.scope.key),
            parameters=ModelRequestParameters(function_tools=self._toolbox.definitions),
            toolbox=self._toolbox,
            price=self._price,
            max_attempts=self._attempts,
            upstream=self._upstream,
            meter=Meter(self._budgets, self._policy, cost=self._price.of_tokens),
            watch=Stopwatch(before_s=tape.worked_s),
            faults=RunFaults(self._faults, order.scope.key),
            printer=RequestPrinter(self.tools_hash, self._secrets),
        )
        ending = await run.to_the_end(self._budgets.max_seconds)
        return run.result(ending)


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run under way: what it has used, said and called so far."""

    order: Order
    tape: Tape
    model: Model
    settings: ModelSettings
    parameters: ModelRequestParameters
    toolbox: Toolbox
    price: Price
    max_attempts: int
    upstream: Upstream
    meter: Meter
    watch: Stopwatch
    faults: RunFaults
    printer: RequestPrinter
    attempts: int = 1
    conversation_tokens: int = 0
    said: str | None = None
    gone: str | None = None
    """Why a tool can be called no more, once one cannot."""
    calls: list[ToolCall] = field(default_factory=list)
    faults_met: dict[str, str] = field(default_factory=dict)
    """In words, by the id of the tool call."""

    async def to_the_end(self, max_seconds: float) -> Ending:
        """Converse until the model finishes, or a budget, the clock or an error stops it."""
        limit = self.watch.limit(max_seconds)
        try:
            async with limit:
                return await self.converse()
        except TimeoutError:
            if not limit.expired():
                raise
            return Ending(StopReason.MAX_SECONDS)
        except (ModelFailed, Unanswered) as failure:
            return Ending(failure.stop_reason, failure.words)

    async def converse(self) -> Ending:
        messages = opening(self.order)
        while True:
            step = self.meter.steps
            if (stop := self.meter.before_request()) is not None:
                return Ending(stop)
            response = await self.ask(messages, step=step)
            self.said = response.text or self.said
            if (stop := self.meter.count_request(self.use(response))) is not None:
                return Ending(stop)
            if response.finish_reason == "length" and (stop := self.meter.used_up()) is not None:
                return Ending(stop)  # the budget cut this answer off
            if not response.tool_calls:
                self.said = response.text or ""
                return Ending(self.meter.at_finish())
            returns, stop = await self.make_calls(response.tool_calls, step=step)
            if self.gone is not None:
                return Ending(StopReason.INFRA_ERROR, self.gone)
            if stop is not None:
                return Ending(stop)
            messages += [response, ModelRequest(parts=returns)]

    async def ask(self, messages: list[ModelMessage], *, step: int) -> ModelResponse:
        """The model's next response: from the tape if it is there, else asked for and kept."""
        settings = self.settings_now()
        request = self.printer.of(messages, settings) if self.tape.keeps_requests else None
        if (exchange := self.tape.answer(step=step, call=None, request=request)) is not None:
            self.attempts = max(self.attempts, exchange.attempts)
            return _RESPONSE.validate_json(exchange.message)
        try:
            response, attempts = await request_with_retries(
                self.model,
                messages,
                settings,
                self.parameters,
                attempts=self.max_attempts,
                waiting=self.watch.waiting,
                upstream=replace(self.upstream, tokens=self.tokens_ahead(messages)),
            )
            kept = _RESPONSE.dump_json(response)  # half characters cannot be written
        except Exception as error:  # the outside world's failure is data
            if not isinstance(error, ModelAPIError) and not is_infrastructure(error):
                self.meter.count_request(RequestUse())  # answered, at a cost that nobody knows
            raise ModelFailed(error) from error
        self.attempts = max(self.attempts, attempts)
        self.conversation_tokens = response.usage.total_tokens
        self.keep(step, None, kept, request, attempts=attempts)
        return response

    async def make_calls(
        self, wanted: Sequence[ToolCallPart], *, step: int
    ) -> tuple[list[ToolReturnPart], StopReason | None]:
        """Make one response's calls together, up to the first that ends the run.

        One that is denied is answered with a refusal; it is not on the tape, for the same
        policy refuses it again.
        """
        made = []
        stop = None
        for number, call in enumerate(wanted):
            tool, arguments = self.toolbox.name(call.tool_name), call.args_as_json_str()
            kept_from = self.meter.before_call(tool, arguments)
            if isinstance(kept_from, StopReason):
                stop = kept_from
                break
            if kept_from is None:
                self.meter.count_call(tool, arguments)
            made.append(self.call(call, kept_from, step=step, number=number))
        returns = await asyncio.gather(*made)
        outcomes = [part.outcome for part in returns] + ([] if stop is None else [stop])
        self.calls += map(self.traced, wanted, outcomes)
        return returns, stop

    async def call(
        self, call: ToolCallPart, refusal: Refusal | None, *, step: int, number: int
    ) -> ToolReturnPart:
        """One tool's answer, with the faults that it meets, or why it is not asked."""
        if refusal is not None:
            return answered(call, refusal.words, outcome="denied")
        fault = self.faults.next(self.toolbox.name(call.tool_name))
        if fault.words is not None:
            self.faults_met[call.tool_call_id] = fault.words
        if fault.latency_s and not self.tape.is_past(step):
            await asyncio.sleep(fault.latency_s)
        if fault.is_error:
            return answered(call, fault.told, outcome="failed")
        try:
            return fault.changed(await self.said_by_tool(call, step=step, number=number))
        except ToolsGone as gone:
            self.gone = str(gone)[:MAX_ERROR_CHARS]
        except Unanswered as missing:
            if missing.stop_reason is not StopReason.INFRA_ERROR:
                raise
            self.gone = self.gone or missing.words or ""
        return answered(call, self.gone, outcome="failed")

    async def said_by_tool(self, call: ToolCallPart, *, step: int, number: int) -> ToolReturnPart:
        """What the tool says: from the tape if it is there, else the call is made and kept."""
        request = self.printer.of_call(call) if self.tape.keeps_requests else None
        if (exchange := self.tape.answer(step=step, call=number, request=request)) is not None:
            answer = _RETURN.validate_json(exchange.message)
            return replace(answer, tool_call_id=call.tool_call_id)  # perhaps another run's
        answer = await self.toolbox.call(call, scope=self.order.scope, model=self.model)
        self.keep(step, number, _RETURN.dump_json(answer), request)
        return answer

    def keep(
        self,
        step: int,
        call: int | None,
        message: bytes,
        request: Request | None,
        *,
        attempts: int = 1,
    ) -> None:
        self.tape.record(
            Exchange(
                step=step,
                call=call,
                message=message,
                elapsed_s=self.watch.elapsed_s(),
                attempts=attempts,
                request=request,
            )
        )

    def settings_now(self) -> ModelSettings:
        """The run's settings, with the answer's length held to what the budget still allows."""
        left = self.meter.output_tokens_left()
        if left is None:
            return self.settings
        return {**self.settings, "max_tokens": min(left, self.settings.get("max_tokens", left))}

    def tokens_ahead(self, messages: Sequence[ModelMessage]) -> int:
        """About how many tokens the next request sends: what the last one came to, if known."""
        return self.conversation_tokens or sum(
            len(part.content) // CHARS_PER_TOKEN
            for message in messages
            for part in message.parts
            if isinstance(part, SystemPromptPart | UserPromptPart | TextPart)
        )

    def use(self, response: ModelResponse) -> RequestUse:
        """What one response used; all None when the provider sent no usage."""
        usage = response.usage
        if usage.unmeasured_requests:
            return RequestUse()
        return RequestUse(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cache_read_tokens,
            reasoning_tokens=usage.output_reasoning_tokens
            or usage.details.get("reasoning_tokens", 0),
            spend_usd=self.price.spend_usd(usage),
        )

    def traced(self, call: ToolCallPart, outcome: str) -> ToolCall:
        return ToolCall(
            tool=self.toolbox.name(call.tool_name),
            arguments=call.args_as_json_str(),
            outcome=outcome,
            fault=self.faults_met.get(call.tool_call_id),
        )

    def result(self, ending: Ending) -> AgentResult:
        meter = self.meter
        return AgentResult(
            output=self.said,
            stop_reason=ending.stop_reason,
            latency_s=self.watch.elapsed_s(),
            input_tokens=meter.input_tokens,
            output_tokens=meter.output_tokens,
            cached_tokens=meter.cached_tokens,
            reasoning_tokens=meter.reasoning_tokens,
            total_tokens=meter.total_tokens,
            steps=meter.steps,
            tool_calls=meter.tool_calls,
            tool_calls_by_tool=dict(meter.by_tool),
            denied_tool_calls=meter.denied_tool_calls,
            spend_usd=meter.spend_usd,
            error=ending.error,
            attempts=self.attempts,
            calls=tuple(self.calls),
        )


def opening(order: Order) -> list[ModelMessage]:
    """The conversation before the model's first word: system prompt, then the input."""
    system = SystemPromptPart(system_prompt(order.prompt))
    if isinstance(order.input, str):
        return [ModelRequest(parts=[system, UserPromptPart(order.input)])]
    messages: list[ModelMessage] = [ModelRequest(parts=[system])]
    for message in order.input:
        match message["role"]:
            case "assistant":
                messages.append(ModelResponse(parts=[TextPart(message["content"])]))
            case "system":
                messages.append(ModelRequest(parts=[SystemPromptPart(message["content"])]))
            case _:
                messages.append(ModelRequest(parts=[UserPromptPart(message["content"])]))
    return messages
