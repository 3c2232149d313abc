"""`assay compare`: decide on any run log, with the statistics and exit codes of `evaluate`."""

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from assay.commands.verdicts import check_fields, check_json, report
from assay.config import load_config
from assay.decision import Decision, EvaluationFacts, TaskTraits, decide, document
from assay.errors import InputError
from assay.gates import Gates, Scope
from assay.records import PromptRef, StopReason
from assay.sections import GoldenTesting
from assay.store.arms import read_arm, total_spend_usd
from assay.store.comparability import allowed, differences
from assay.store.log_names import GUESSES, named_columns
from assay.store.run_log import read_run_log
from assay.store.toolsets import in_words, results_near
from assay.versions import versions
from assay.wording import did_you_mean, one_line

MAX_SHOWN = 10


def compare(arguments: argparse.Namespace) -> int:
    """Judge the runs of a log; the exit code is the verdict's."""
    check_json(arguments.json)
    check_fields(arguments.allow_different)
    log = read_run_log(arguments.runs, named=named_columns(arguments.column, of=GUESSES))
    for ours, theirs in log.sources.items():
        print(f"{ours}: column {one_line(theirs)}", file=sys.stderr)
    decision = judge_log(
        log.runs,
        baseline=_prompt(log.runs, arguments.baseline, "--baseline"),
        candidate=_prompt(log.runs, arguments.candidate, "--candidate"),
        gates=_gates(arguments.config, arguments.scope),
        critical=arguments.critical,
        allow_different=arguments.allow_different,
        results=[*results_near(arguments.runs), *_results(arguments.config)],
        evaluation_id=f"compare-{_digest(arguments.runs)}",
    )
    return report(decision, arguments.json)


def judge_log(
    runs: pa.Table,
    *,
    baseline: PromptRef,
    candidate: PromptRef,
    gates: Gates,
    critical: Collection[str] = (),
    allow_different: Collection[str] = (),
    results: Sequence[Path] = (),
    evaluation_id: str = "compare",
) -> Decision:
    """Decide on the runs of a log, as `assay compare` does.

    Args:
        runs: As `read_run_log` gives them.
        baseline: A prompt of the log.
        candidate: Another one.
        gates: Margins and the error that is allowed.
        critical: Golden tasks that must not break.
        allow_different: Fields in which the arms may differ.
        results: Results folders that may know the tools of the runs.
        evaluation_id: What the decision is called.

    Raises:
        InputError: Both prompts are the same, or a critical task is not in the log.
    """
    began = time.monotonic()
    if baseline == candidate:
        raise InputError(f"baseline and candidate are both {one_line(baseline.prompt_id)}")
    refs = (baseline, candidate)
    # Other prompts' runs bear on nothing: a golden task that only they ran is not missing.
    ids = pa.array([ref.prompt_id for ref in refs])
    is_theirs = pc.is_in(runs["prompt_id"], value_set=ids)
    runs = runs if pc.all(is_theirs).as_py() else runs.filter(is_theirs)
    tasks = _tasks(runs, critical)
    differing = differences(runs, baseline=ids[0].as_py(), candidate=ids[1].as_py())
    refused = [in_words(each, results) for each in differing if each.field not in allow_different]
    expected = {task.id: StopReason.FINISH.value for task in tasks}
    judgement = decide(
        read_arm(runs, baseline, tasks=expected),
        read_arm(runs, candidate, tasks=expected),
        tasks=tasks,
        gates=gates,
        max_infra_error_share=GoldenTesting().max_infra_error_share,
        obstacle=f"not comparable: {'; '.join(refused)}" if refused else None,
    )
    facts = EvaluationFacts(
        evaluation_id=evaluation_id,
        rounds=1,
        stopped_early=False,
        spend_usd=total_spend_usd(runs, refs),
        seconds=time.monotonic() - began,
        seed=0,
        versions=versions(),
        allowed_different=allowed(differing, allow_different),
    )
    return document(judgement, facts)


def _tasks(runs: pa.Table, critical: Collection[str]) -> list[TaskTraits]:
    names = sorted(pc.unique(runs["golden_task_id"]).to_pylist())
    if unknown := sorted(set(critical).difference(names)):
        raise InputError(
            f"--critical {one_line(unknown[0])!r} is no golden task of these prompts' runs",
            mend=did_you_mean(unknown[0], map(one_line, names[:MAX_SHOWN])),
        )
    return [TaskTraits(id=name, critical=name in critical) for name in names]


def _gates(config: Path, scope: Scope | None) -> Gates:
    """The configuration's gates where there is one, else the defaults; which is said."""
    gates = _configured(config)
    return gates if scope is None else gates.model_copy(update={"scope": scope})


def _results(config: Path) -> list[Path]:
    """The configuration's results folder, where there is a configuration."""
    if not config.is_file():
        return []
    read = load_config(config, os.environ)
    return [read.folder / read.results.uri]


def _configured(config: Path) -> Gates:
    if config.is_file():
        print(f"gates: {config}", file=sys.stderr)
        return load_config(config, os.environ).gates
    print("gates: the defaults", file=sys.stderr)
    return Gates()


def _prompt(runs: pa.Table, text: str, flag: str) -> PromptRef:
    """The prompt of the log with this id, or the only one whose id begins `text:`."""
    ids = sorted(pc.unique(runs["prompt_id"]).to_pylist())
    found = [each for each in ids if each == text] or [i for i in ids if i.startswith(f"{text}:")]
    if len(found) != 1:
        shown = ", ".join(one_line(each) for each in ids[:MAX_SHOWN])
        raise InputError(
            f"{flag} {text!r} is {'several prompts' if found else 'no prompt'} of the log",
            mend=f"the prompts are: {shown}",
        )
    name, _, rest = found[0].partition(":")
    return PromptRef(name=name, version=rest.partition(":")[0] or name, prompt_id=found[0])


def _digest(path: Path) -> str:
    """12 hex digits of the log's name and size: enough to tell two comparisons apart."""
    stat = path.stat()
    facts = f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}"
    return hashlib.sha256(facts.encode()).hexdigest()[:12]
