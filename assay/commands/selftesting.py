"""`assay selftest`: how often the decision errs on your own golden tasks, at no cost."""

import argparse
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.commands.rates_page import SelfTest, show
from assay.commands.screen import Screen
from assay.commands.verdicts import STANDARD_OUTPUT, check_json
from assay.config import load_config
from assay.decision import TaskTraits
from assay.errors import InputError
from assay.forecast.recorded import recorded_runs
from assay.forecast.resampling import History
from assay.golden import load_golden
from assay.plan import Plan, new_evaluation_id, prompt_ref
from assay.prompts import load_prompt
from assay.records import StopReason
from assay.selftest import Setting, selftest
from assay.stats.samples import Ints
from assay.store.arms import METRICS, read_arm
from assay.store.comparability import FIELDS
from assay.store.run_log import read_run_log
from assay.wording import one_line

MIN_RECORDED = 5
RUN_FIRST = "run an evaluation first: assay evaluate CANDIDATE --no-switch"


def run(arguments: argparse.Namespace) -> int:
    """Print the rates; always 0 when there are runs enough to draw from."""
    check_json(arguments.json)
    if arguments.evaluations < 1:
        raise InputError(f"--evaluations is {arguments.evaluations}", mend="give 1 or more")
    plan = _plan(arguments.config, arguments.seed)
    runs, tasks = (
        _of_results(plan) if _is_results(arguments.runs) else _of_log(arguments.runs, plan)
    )
    found = _test(plan, runs, tasks, evaluations=arguments.evaluations)
    text = found.model_dump_json(indent=2)
    if arguments.json == STANDARD_OUTPUT:
        Screen().out(text, highlight=False)
        return 0
    show(found)
    if arguments.json is not None:
        arguments.json.write_text(f"{text}\n", encoding="utf-8")
    return 0


def _plan(path: Path, seed: int | None) -> Plan:
    """An evaluation of the active prompt against itself."""
    config = load_config(path, os.environ)
    active = load_prompt(config.folder / config.prompts.directory, config.prompts.active)
    now = datetime.now(UTC)
    return Plan(
        evaluation_id=new_evaluation_id(now),
        created_at=now,
        config=config,
        config_sha256=config.sha256,
        baseline=active,
        candidates=(active,),
        gates=config.gates,
        tasks=load_golden(config),
        repeats=config.testing.repeats,
        seed=config.testing.seed if seed is None else seed,
    )


def _is_results(runs: str) -> bool:
    return runs == "results"


def _of_results(plan: Plan) -> tuple[pa.Table, list[TaskTraits]]:
    """The active prompt's runs under the results folder."""
    recorded = recorded_runs(plan)
    if recorded is None:
        raise InputError(f"there are no recorded runs of {plan.baseline.ref}", mend=RUN_FIRST)
    tasks = [TaskTraits(id=task.id, critical=task.is_critical) for task in plan.tasks]
    return recorded.runs, tasks


def _of_log(path: str, plan: Plan) -> tuple[pa.Table, list[TaskTraits]]:
    """One prompt's runs of a log: those that were made under the commonest conditions."""
    runs = read_run_log(Path(path), named={}).runs
    runs = runs.filter(pc.equal(runs["prompt_id"], _prompt_of(runs, plan)))
    critical = {task.id for task in plan.tasks if task.is_critical}
    hashes = pa.array([task.hash for task in plan.tasks])
    if "golden_task_hash" in runs.column_names:
        same = pc.is_in(runs["golden_task_hash"], value_set=hashes)
        runs = runs.filter(pc.or_(same, pc.is_null(runs["golden_task_hash"])))
    for field in FIELDS:
        if field in runs.column_names and field != "golden_task_hash" and len(runs):
            commonest = pc.mode(runs[field].combine_chunks().dictionary_encode().indices)
            runs = runs if not len(commonest) else runs.filter(_equals(runs[field], commonest))
    names = sorted(pc.unique(runs["golden_task_id"]).to_pylist())
    if not names:
        raise InputError("no run of it fits the golden tasks", path=path, mend=RUN_FIRST)
    return runs, [TaskTraits(id=name, critical=name in critical) for name in names]


def _equals(column: pa.ChunkedArray, commonest: pa.Array) -> pa.Array:
    codes = column.combine_chunks().dictionary_encode().indices
    return pc.equal(codes, commonest[0]["mode"])


def _prompt_of(runs: pa.Table, plan: Plan) -> str:
    """The active prompt's id; of a log with a single prompt, that one's."""
    ids: list[str] = sorted(pc.unique(runs["prompt_id"]).to_pylist())
    if plan.baseline.prompt_id in ids or len(ids) == 1:
        return plan.baseline.prompt_id if plan.baseline.prompt_id in ids else ids[0]
    raise InputError(
        f"the log has no runs of {plan.baseline.prompt_id}",
        mend=f"make it active, or give a log of one prompt; these are in it: "
        f"{', '.join(map(one_line, ids[:5]))}",
    )


def _test(plan: Plan, runs: pa.Table, tasks: Sequence[TaskTraits], *, evaluations: int) -> SelfTest:
    prompt_id: str = runs["prompt_id"][0].as_py()
    prompt = prompt_ref(plan.baseline).model_copy(update={"prompt_id": prompt_id})
    stops = {task.id: task.expect_stop_reason for task in plan.tasks}
    expected = {task.id: stops.get(task.id, StopReason.FINISH.value) for task in tasks}
    arm = read_arm(runs, prompt, tasks=expected)
    _require_runs(np.bincount(arm.tasks[arm.measured], minlength=len(tasks)), tasks)
    metrics = [name for name in METRICS if arm.known(name).any()]
    history = History(arm, n_tasks=len(tasks), metrics=metrics)
    setting = Setting(
        history=history,
        tasks=[tasks[number] for number in history.tasks],
        at=plan.looks,
        gates=plan.gates,
        max_infra_error_share=plan.config.testing.max_infra_error_share,
    )
    identical, *effects = selftest(setting, evaluations=evaluations, seed=plan.seed)
    return SelfTest(
        prompt=prompt,
        seed=plan.seed,
        looks=plan.looks,
        golden_tasks=len(tasks),
        recorded_runs=arm.n_runs,
        fewest_runs_of_a_task=int(history.counts.min()),
        identical=identical,
        effects=tuple(effects),
    )


def _require_runs(counts: Ints, tasks: Sequence[TaskTraits]) -> None:
    short = [
        f"{one_line(task.id)} ({count})"
        for task, count in zip(tasks, counts, strict=True)
        if count < MIN_RECORDED
    ]
    if short:
        more = f" and {len(short) - 3} more" if len(short) > 3 else ""
        problem = f"fewer than {MIN_RECORDED} recorded runs of {', '.join(short[:3])}{more}"
        raise InputError(problem, mend=RUN_FIRST)
