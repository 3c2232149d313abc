"""One run's tool calls in the built-in loop: let through or refused, made, kept, traced."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter
from pydantic_ai.messages import ToolCallPart, ToolReturnPart
from pydantic_ai.models import Model

from assay.agents.faults import RunFaults
from assay.agents.protocol import MAX_ERROR_CHARS, ToolCall
from assay.agents.request_print import RequestPrinter
from assay.agents.toolbox import Toolbox, ToolsGone, answered
from assay.budgets import Meter, Refusal, Stopwatch
from assay.records import RunScope, StopReason
from assay.store.tape import Exchange, Tape, Unanswered

_RETURN = TypeAdapter(ToolReturnPart)


@dataclass(slots=True, kw_only=True)
class ToolCalls:
    """The calls of one run so far, and what the next ones meet."""

    toolbox: Toolbox
    scope: RunScope
    model: Model
    tape: Tape
    meter: Meter
    watch: Stopwatch
    faults: RunFaults
    printer: RequestPrinter
    gone: str | None = None
    """Why a tool can be called no more, once one cannot."""
    traced: list[ToolCall] = field(default_factory=list)
    _faults_met: dict[str, str] = field(default_factory=dict)
    """In words, by the id of the tool call."""

    async def make(
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
            made.append(self._make(call, kept_from, step=step, number=number))
        returns = await asyncio.gather(*made)
        outcomes = [part.outcome for part in returns] + ([] if stop is None else [stop])
        self.traced += map(self._trace, wanted, outcomes)
        return returns, stop

    async def _make(
        self, call: ToolCallPart, refusal: Refusal | None, *, step: int, number: int
    ) -> ToolReturnPart:
        """One tool's answer, with the faults that it meets, or why it is not asked."""
        if refusal is not None:
            return answered(call, refusal.words, outcome="denied")
        fault = self.faults.next(self.toolbox.name(call.tool_name))
        if fault.words is not None:
            self._faults_met[call.tool_call_id] = fault.words
        if fault.latency_s and not self.tape.is_past(step):
            await asyncio.sleep(fault.latency_s)
        if fault.is_error:
            return answered(call, fault.told, outcome="failed")
        try:
            return fault.changed(await self._answer(call, step=step, number=number))
        except ToolsGone as gone:
            self.gone = str(gone)[:MAX_ERROR_CHARS]
        except Unanswered as missing:
            if missing.stop_reason is not StopReason.INFRA_ERROR:
                raise
            self.gone = self.gone or missing.words or ""
        return answered(call, self.gone, outcome="failed")

    async def _answer(self, call: ToolCallPart, *, step: int, number: int) -> ToolReturnPart:
        """What the tool says: from the tape if it is there, else the call is made and kept."""
        request = self.printer.of_call(call) if self.tape.keeps_requests else None
        if (exchange := self.tape.answer(step=step, call=number, request=request)) is not None:
            answer = _RETURN.validate_json(exchange.message)
            return replace(answer, tool_call_id=call.tool_call_id)  # perhaps another run's
        answer = await self.toolbox.call(call, scope=self.scope, model=self.model)
        self.tape.record(
            Exchange(
                step=step,
                call=number,
                message=_RETURN.dump_json(answer),
                elapsed_s=self.watch.elapsed_s(),
                request=request,
            )
        )
        return answer

    def _trace(self, call: ToolCallPart, outcome: str) -> ToolCall:
        return ToolCall(
            tool=self.toolbox.name(call.tool_name),
            arguments=call.args_as_json_str(),
            outcome=outcome,
            fault=self._faults_met.get(call.tool_call_id),
        )
