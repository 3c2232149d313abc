"""The built-in agent: a small tool loop over pydantic-ai's model interface.

The loop is ours, so that each budget stops exactly where it says, each exchange
can be kept as it happens, and an interrupted run goes on where it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from pydantic import TypeAdapter
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from assay.agents.conversation import estimated_tokens, opening
from assay.agents.faults import RunFaults
from assay.agents.protocol import MAX_ERROR_CHARS, AgentResult, Order
from assay.agents.recorded_world import header_of
from assay.agents.request_print import RequestPrinter
from assay.agents.tool_calls import ToolCalls
from assay.agents.toolbox import Toolbox
from assay.budgets import Meter, RequestUse, Stopwatch, ToolPolicy
from assay.config import Budgets, Config
from assay.fault_sections import ToolFaults
from assay.models.prices import Price
from assay.models.retries import is_infrastructure, request_with_retries
from assay.models.source import ModelSource
from assay.models.upstream import Upstream
from assay.records import StopReason
from assay.store.record import RecordHeader
from assay.store.tape import Exchange, Tape, Unanswered
from assay.tool_schemas import ToolSchemas

_RESPONSE = TypeAdapter(ModelResponse)


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
        model = self._source.for_run(order.scope.key)
        meter = Meter(self._budgets, self._policy, cost=self._price.of_tokens)
        watch = Stopwatch(before_s=tape.worked_s)
        printer = RequestPrinter(self.tools_hash, self._secrets)
        tools = ToolCalls(
            toolbox=self._toolbox,
            scope=order.scope,
            model=model,
            tape=tape,
            meter=meter,
            watch=watch,
            faults=RunFaults(self._faults, order.scope.key),
            printer=printer,
        )
        run = _Run(
            order=order,
            tape=tape,
            model=model,
            settings=self._source.settings_for(order.scope.key),
            parameters=ModelRequestParameters(function_tools=self._toolbox.definitions),
            tools=tools,
            price=self._price,
            max_attempts=self._attempts,
            upstream=self._upstream,
            meter=meter,
            watch=watch,
            printer=printer,
        )
        ending = await run.to_the_end(self._budgets.max_seconds)
        return run.result(ending)


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run under way: what it has used and said so far."""

    order: Order
    tape: Tape
    model: Model
    settings: ModelSettings
    parameters: ModelRequestParameters
    tools: ToolCalls
    price: Price
    max_attempts: int
    upstream: Upstream
    meter: Meter
    watch: Stopwatch
    printer: RequestPrinter
    attempts: int = 1
    conversation_tokens: int = 0
    said: str | None = None

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
            returns, stop = await self.tools.make(response.tool_calls, step=step)
            if self.tools.gone is not None:
                return Ending(StopReason.INFRA_ERROR, self.tools.gone)
            if stop is not None:
                return Ending(stop)
            messages += [response, ModelRequest(parts=returns)]

    async def ask(self, messages: list[ModelMessage], *, step: int) -> ModelResponse:
        """The model's next response: from the tape if it is there, else asked for and kept."""
        settings = self.settings_now()
        request = self.printer.of(messages, settings) if self.tape.keeps_requests else None
        if (exchange := self.tape.answer(step=step, call=None, request=request)) is not None:
            self.count_try(exchange.attempts)
            return _RESPONSE.validate_json(exchange.message)
        response, message, attempts = await self.said_by_model(messages, settings)
        self.tape.record(
            Exchange(
                step=step,
                call=None,
                message=message,
                elapsed_s=self.watch.elapsed_s(),
                attempts=attempts,
                request=request,
            )
        )
        return response

    async def said_by_model(
        self, messages: list[ModelMessage], settings: ModelSettings
    ) -> tuple[ModelResponse, bytes, int]:
        """A response, as it is and as it is kept, and how many requests it took."""
        ahead = self.conversation_tokens or estimated_tokens(messages)
        try:
            response, attempts = await request_with_retries(
                self.model,
                messages,
                settings,
                self.parameters,
                attempts=self.max_attempts,
                waiting=self.watch.waiting,
                upstream=replace(self.upstream, tokens=ahead),
                on_try=self.count_try,
            )
            kept = _RESPONSE.dump_json(response)  # half characters cannot be written
        except Exception as error:  # the outside world's failure is data
            if not isinstance(error, ModelAPIError) and not is_infrastructure(error):
                self.meter.count_request(RequestUse())  # answered, at a cost that nobody knows
            raise ModelFailed(error) from error
        self.conversation_tokens = response.usage.total_tokens
        return response, kept, attempts

    def count_try(self, number: int) -> None:
        self.attempts = max(self.attempts, number)

    def settings_now(self) -> ModelSettings:
        """The run's settings, with the answer's length held to what the budget still allows."""
        left = self.meter.output_tokens_left()
        if left is None:
            return self.settings
        return {**self.settings, "max_tokens": min(left, self.settings.get("max_tokens", left))}

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

    def result(self, ending: Ending) -> AgentResult:
        return AgentResult(
            **self.meter.figures,
            output=self.said,
            stop_reason=ending.stop_reason,
            latency_s=self.watch.elapsed_s(),
            tool_calls_by_tool=dict(self.meter.by_tool),
            denied_tool_calls=self.meter.denied_tool_calls,
            error=ending.error,
            attempts=self.attempts,
            calls=tuple(self.tools.traced),
        )
