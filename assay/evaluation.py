"""One evaluation under way: its runs, each on disk before it is counted."""

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from assay.agents.opening import open_agent
from assay.agents.protocol import Agent, AgentResult, Order, Recordable
from assay.agents.proxy.measured import warnings_about
from assay.checks import Observed, assess
from assay.config import EvaluationBudgets
from assay.golden import GoldenTask
from assay.judges.bench import Bench, is_to_be_judged, open_bench
from assay.judges.ruling import Answer, Place, as_line, by_run, from_line, spent_on
from assay.ledger import Ledger
from assay.plan import Plan, folder_of
from assay.prompts import PromptVersion
from assay.records import RunKey, RunRecord, RunScope
from assay.slots import Slots
from assay.store.evaluations import EvaluationFolder
from assay.store.journal import Journal
from assay.store.record import Record, Recorder, secrets_of
from assay.store.replay import ANOTHER_REQUEST, NOT_RECORDED, OpenReplay, open_replay
from assay.store.tape import Exchange, Tape, read_tapes
from assay.store.toolsets import keep_tools

MAX_OUTPUT_CHARS = 50_000
"""What is kept of an output; a model's text is bounded before it is stored."""

MAX_TRACED_CHARS = 1_000
"""What the stored trace keeps of one tool call's arguments."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One prompt on one golden task."""

    prompt: PromptVersion
    task: GoldenTask
    number: int
    """Place in the order of work: both prompts of a task stand side by side."""

    @property
    def label(self) -> str:
        """As the history shows it: `support:v14 / kb_lookup`."""
        return f"{self.prompt.ref} / {self.task.id}"


@dataclass(frozen=True, slots=True)
class Round:
    """The repeats made between two looks at the data."""

    number: int
    """1-based."""
    repeats: range
    cells: list[Cell]
    """The baseline's, and those of the candidates that have no verdict yet."""


@dataclass(slots=True, kw_only=True)
class Evaluation:
    """A plan being carried out: makes runs, keeps them, and knows which are done."""

    plan: Plan
    folder: EvaluationFolder
    agent: Agent
    slots: Slots
    bench: Bench
    on_run: Callable[[RunRecord], None]
    _journal: Journal
    _tapes: Journal
    _taped: dict[str, list[Exchange]]
    _finished: dict[str, RunRecord]
    _unjudged: dict[str, RunRecord]
    """Made by an interrupted attempt, which did not hear all judges."""
    _heard: Mapping[str, Mapping[Place, Answer]]
    """What judges answered an interrupted attempt, or when it was recorded, by run."""
    _recorder: Recorder | None
    _replay: OpenReplay | None
    _ledger: Ledger = field(init=False)
    _not_made: str | None = field(init=False, default=None)
    _settled: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        budgets = self.plan.config.budgets
        if self.plan.is_rerun:  # it costs nothing
            budgets = budgets.model_copy(update={"evaluation": EvaluationBudgets()})
        made = [*self._finished.values(), *self._unjudged.values()]
        self._ledger = Ledger.of(budgets, finished=made, begun=self._taped)

    @property
    def n_finished(self) -> int:
        """Runs made so far, those of an interrupted attempt included."""
        return len(self._finished)

    def rounds(self) -> Iterator[Round]:
        """The rounds to make, each up to the next look, until every candidate is settled."""
        made = 0
        for number, repeats in enumerate(self.plan.looks[: self.plan.looks_tonight], start=1):
            yield Round(number, range(made + 1, repeats + 1), self._open_cells())
            if self.budget_spent or self._settled.issuperset(self._candidate_ids()):
                return
            made = repeats

    def settle(self, prompt_ids: Collection[str]) -> None:
        """Make no more runs of these candidates: they have their verdicts."""
        self._settled.update(prompt_ids)

    def warnings(self) -> Iterator[str]:
        """What there is to say of the figures of all runs together."""
        yield from warnings_about(self._finished.values())
        if misses := self._misses():  # no prompt's doing, and a decision would only count them
            yield f"{len(misses)} runs could not be replayed: {misses[0]}"

    def _candidate_ids(self) -> list[str]:
        return [prompt.prompt_id for prompt in self.plan.candidates]

    def _open_cells(self) -> list[Cell]:
        """Each open prompt on every golden task; the prompts of one task side by side."""
        pairs = [(prompt, task) for task in self.plan.tasks for prompt in self.plan.prompts]
        cells = [Cell(prompt, task, number) for number, (prompt, task) in enumerate(pairs)]
        return [cell for cell in cells if cell.prompt.prompt_id not in self._settled]

    def _misses(self) -> list[str]:
        """What runs asked for that the replayed record does not hold, in words."""
        if self.plan.replay is None:
            return []
        errors = [run.error for run in self._finished.values() if run.error is not None]
        return [error for error in errors if error.startswith((NOT_RECORDED, ANOTHER_REQUEST))]

    @property
    def budget_spent(self) -> str | None:
        """The budget of the whole evaluation that kept a run from being made or judged, if any."""
        return self._not_made or self.bench.spent_budget

    async def make_run(self, cell: Cell, *, repeat: int, round_number: int) -> None:
        """Make one run, hear its judges and keep it, unless it is done or a budget is spent."""
        key = RunKey(
            evaluation_id=self.plan.evaluation_id,
            prompt_id=cell.prompt.prompt_id,
            golden_task_id=cell.task.id,
            repeat=repeat,
            seed=self.plan.seed,
        )
        if key.run_id in self._finished:
            return
        run = self._unjudged.get(key.run_id)
        if run is None:
            run = await self._made_in_turn(cell, key, round_number)
        if run is not None:
            await self._keep(await self._judged(cell, key, run))

    async def _made_in_turn(self, cell: Cell, key: RunKey, round_number: int) -> RunRecord | None:
        """The run, made once it has a slot; None if a budget is spent by then."""
        async with self.slots.at((key.repeat, cell.number)):
            if (spent := self.bench.spent_budget) is not None:
                self._not_made = spent
                return None
            async with self._ledger.admission(key.run_id) as refused_by:
                if refused_by is None:
                    return await self._make(cell, key, round_number)
                self._not_made = refused_by
                return None

    async def _make(self, cell: Cell, key: RunKey, round_number: int) -> RunRecord:
        started_at = datetime.now(UTC)
        self._journal.append(self._start_line(key, started_at))
        tape = self._tape(key)
        result = await self.agent.run(
            Order(
                prompt=cell.prompt,
                input=cell.task.input,
                scope=RunScope(key=key, folder=self.folder.files),
                metadata=cell.task.metadata,
            ),
            tape=tape,
        )
        if tape.latency_s is not None:
            result = replace(result, latency_s=tape.latency_s)
        run = self._record(cell, key, result, started_at=started_at, round_number=round_number)
        if self._recorder is not None:
            self._recorder.add(run, tape)
        if is_to_be_judged(cell.task, run):
            self._journal.append({"type": "run_made", "run": run.model_dump(mode="json")})
        self._ledger.count(run)
        return run

    async def _judged(self, cell: Cell, key: RunKey, run: RunRecord) -> RunRecord:
        """The run with its judges' rulings; it holds no slot while they are heard."""
        if not is_to_be_judged(cell.task, run):
            return run
        return await self.bench.judged(
            cell.task,
            run,
            key,
            heard=self._heard.get(self._judged_as(key), {}),
            keep=lambda answer: self._journal.append(as_line(run.run_id, answer)),
        )

    def _judged_as(self, key: RunKey) -> str:
        """The id of the run that judges were heard on: its own, or the recorded one's."""
        replay = self.plan.replay
        if replay is None or not self.plan.is_rerun:
            return key.run_id
        return replace(key, evaluation_id=replay.evaluation_id).run_id

    async def _keep(self, run: RunRecord) -> None:
        self._journal.append({"type": "run_end", "run": run.model_dump(mode="json")})
        await self._journal.committed()
        self._finished[run.run_id] = run
        self.on_run(run)

    def _tape(self, key: RunKey) -> Tape:
        """Where the run's exchanges come from and go to."""
        taped = self._taped.get(key.run_id, ())
        if self._replay is not None:
            return self._replay.tape(key, taped, self._tapes)
        return Tape(key.run_id, taped, self._tapes, keeps_requests=self._recorder is not None)

    def _start_line(self, key: RunKey, started_at: datetime) -> dict[str, object]:
        return {
            "type": "run_start",
            "run_id": key.run_id,
            "prompt_id": key.prompt_id,
            "golden_task_id": key.golden_task_id,
            "repeat": key.repeat,
            "started_at": started_at.isoformat(),
            "budgets": self.plan.config.budgets.model_dump(exclude={"evaluation"}),
        }

    def _record(
        self,
        cell: Cell,
        key: RunKey,
        result: AgentResult,
        *,
        started_at: datetime,
        round_number: int,
    ) -> RunRecord:
        used = asdict(result)
        trace: list[dict[str, object]] = [
            _without_none(call) | {"arguments": call["arguments"][:MAX_TRACED_CHARS]}
            for call in used.pop("calls")
        ]
        trace += [{"note": note} for note in used.pop("notes")]
        used["output"], used["error"] = _storable(result.output), _storable(result.error)
        verdict = assess(cell.task, observed(result))
        return RunRecord(
            evaluation_id=key.evaluation_id,
            run_id=key.run_id,
            prompt_name=cell.prompt.name,
            prompt_version=cell.prompt.version,
            prompt_id=cell.prompt.prompt_id,
            golden_task_id=cell.task.id,
            golden_task_hash=cell.task.hash,
            category=cell.task.category,
            repeat=key.repeat,
            round=round_number,
            agent=self.agent.name,
            model=self.agent.model,
            model_params_hash=self.agent.model_params_hash,
            tools_hash=self.agent.tools_hash,
            budgets_hash=self.plan.budgets_hash,
            price_table=self.agent.price_table,
            faults_hash=self.plan.config.faults_hash,
            replayed=None if self.plan.replay is None else str(self.plan.replay),
            started_at=started_at,
            success=verdict.success,
            failed_checks=list(verdict.failed_checks),
            violated_invariants=list(verdict.violated_invariants),
            success_without_judge=verdict.success if cell.task.judged_checks else None,
            trace=trace,
            **used,
        )


@asynccontextmanager
async def open_evaluation(
    plan: Plan, *, on_run: Callable[[RunRecord], None], max_concurrency: int
) -> AsyncIterator[Evaluation]:
    """Begin an evaluation, or go on with one that was interrupted, alone in its folder."""
    folder = folder_of(plan)
    replay = _replay_of(plan, folder)
    execution = plan.config.execution.model_copy(update={"max_concurrency": max_concurrency})
    config = plan.config.model_copy(update={"execution": execution})
    async with (  # first: bad tools, or a judge without a key, leave no folder behind
        open_agent(config, replay) as agent,
        open_bench(config, plan.tasks, replay) as bench,
    ):
        with folder.lock():
            folder.files.mkdir(exist_ok=True)
            if agent.tool_schemas is not None:
                keep_tools(folder, agent.tool_schemas)
            finished = {run.run_id: run for run in folder.finished_runs()}
            answers = _heard_in(plan, folder).judges_answers(from_line)
            bench.recall(spent_on(answers))
            unjudged = {run.run_id: run for run in folder.unjudged_runs()}
            taped = read_tapes(folder.tapes, finished=finished.keys() | unjudged.keys())
            with (
                Journal(folder.journal) as journal,
                Journal(folder.tapes) as tapes,
                _recording(plan, folder.record, agent, bench) as recorder,
            ):
                if folder.header() is None:
                    journal.append(plan.header())
                yield Evaluation(
                    plan=plan,
                    folder=folder,
                    agent=agent,
                    slots=Slots(min(max_concurrency, agent.max_concurrency or max_concurrency)),
                    bench=bench,
                    on_run=on_run,
                    _journal=journal,
                    _tapes=tapes,
                    _taped=taped,
                    _finished=finished,
                    _unjudged=unjudged,
                    _heard=by_run(answers),
                    _recorder=recorder,
                    _replay=replay,
                )


def _replay_of(plan: Plan, folder: EvaluationFolder) -> OpenReplay | None:
    """The record that answers, from a folder beside the evaluation's."""
    if (replay := plan.replay) is None:
        return None
    return open_replay(Record(folder.path.with_name(replay.evaluation_id)), replay.mode)


def _heard_in(plan: Plan, folder: EvaluationFolder) -> EvaluationFolder:
    """Where the journal with the judges' answers is: with the runs that they were heard on."""
    if plan.replay is None or not plan.is_rerun:
        return folder
    return EvaluationFolder(folder.path.with_name(plan.replay.evaluation_id))


@contextmanager
def _recording(plan: Plan, record: Record, agent: Agent, bench: Bench) -> Iterator[Recorder | None]:
    """Keeps a record if one is asked for, or was when the evaluation began."""
    if not (plan.records or record.exists) or not isinstance(agent, Recordable):
        yield None
        return
    with Journal(record.growing) as journal:
        recorder = Recorder(journal, secrets=secrets_of(plan.config))
        if record.header() is None:
            header = agent.record_header(plan.config, plan.evaluation_id)
            recorder.begin(header.model_copy(update={"judge": bench.described(plan.config)}))
        yield recorder


def observed(result: AgentResult) -> Observed:
    """What the golden task's checks may look at."""
    return Observed(
        output=result.output,
        stop_reason=result.stop_reason,
        steps=result.steps,
        tool_calls=result.tool_calls,
        total_tokens=result.total_tokens,
        latency_s=result.latency_s,
        spend_usd=result.spend_usd,
        calls=[
            {"tool": call.tool, "arguments": call.arguments}
            for call in result.calls
            if call.was_made
        ],
    )


def _without_none(call: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in call.items() if value is not None}


def _storable(text: str | None) -> str | None:
    """Bounded, and without the half characters that no file format takes."""
    if text is None:
        return None
    return text[:MAX_OUTPUT_CHARS].encode("utf-8", "replace").decode("utf-8")
