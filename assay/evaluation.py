"""One evaluation under way: its runs, each on disk before it is counted."""

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from assay.agents.opening import open_agent
from assay.agents.protocol import Agent, Order, Recordable
from assay.agents.proxy.measured import warnings_about
from assay.config import EvaluationBudgets
from assay.golden import GoldenTask
from assay.judges.bench import Bench, is_to_be_judged, open_bench
from assay.judges.ruling import Answer, Place, as_line, by_run, from_line, spent_on
from assay.ledger import Ledger
from assay.plan import Plan, folder_of
from assay.prompts import PromptVersion
from assay.records import RunKey, RunRecord, RunScope
from assay.run_record import Made, run_record
from assay.slots import Slots
from assay.store.evaluations import EvaluationFolder
from assay.store.journal import Journal
from assay.store.record import Record, Recorder, secrets_of
from assay.store.replay import ANOTHER_REQUEST, NOT_RECORDED, OpenReplay, open_replay
from assay.store.tape import Exchange, Tape, read_tapes
from assay.store.toolsets import keep_tools


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
        made = Made(cell.prompt, cell.task, key, started_at=started_at, round=round_number)
        run = run_record(made, result, plan=self.plan, agent=self.agent)
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
            heard=self._heard.get(replace(key, evaluation_id=self.plan.judged_in).run_id, {}),
            keep=lambda answer: self._journal.append(as_line(run.run_id, answer)),
        )

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
            answers = _beside(folder, plan.judged_in).judges_answers(from_line)
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
    """The record that answers."""
    if (replay := plan.replay) is None:
        return None
    return open_replay(_beside(folder, replay.evaluation_id).record, replay.mode)


def _beside(folder: EvaluationFolder, evaluation_id: str) -> EvaluationFolder:
    """The folder of another evaluation, or this one's."""
    return EvaluationFolder(folder.path.with_name(evaluation_id))


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
