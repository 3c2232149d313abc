"""`assay compare`: decide on any run log, with the statistics and exit codes of `evaluate`."""

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from assay.commands.verdicts import check_json, report
from assay.config import load_config
from assay.decision import Decision, EvaluationFacts, TaskTraits, decide, document
from assay.errors import InputError
from assay.gates import Gates
from assay.records import PromptRef
from assay.sections import GoldenTesting
from assay.store.arms import read_arm, total_spend_usd
from assay.store.comparability import differences
from assay.store.run_log import GUESSES, RunLog, read_run_log
from assay.versions import versions


def compare(arguments: argparse.Namespace) -> int:
    """Judge the runs of a log; the exit code is the verdict's."""
    check_json(arguments.json)
    log = read_run_log(arguments.runs, named=_named(arguments.column))
    for ours, theirs in log.sources.items():
        print(f"{ours}: column {_one_line(theirs)}", file=sys.stderr)
    baseline = _prompt(log, arguments.baseline, "--baseline")
    candidate = _prompt(log, arguments.candidate, "--candidate")
    if baseline == candidate:
        raise InputError(f"baseline and candidate are both {baseline.prompt_id}")
    gates = _gates(arguments.config)
    return report(_decide(log.runs, (baseline, candidate), gates, arguments), arguments.json)


def _decide(
    runs: pa.Table,
    refs: tuple[PromptRef, PromptRef],
    gates: Gates,
    arguments: argparse.Namespace,
) -> Decision:
    began = time.monotonic()
    differing = differences(runs, baseline=refs[0].prompt_id, candidate=refs[1].prompt_id)
    refused = [str(d) for d in differing if d.field not in arguments.allow_different]
    names = sorted(pc.unique(runs["golden_task_id"]).to_pylist())
    baseline, candidate = (
        read_arm(runs, ref, tasks=dict.fromkeys(names, "finish")) for ref in refs
    )
    judgement = decide(
        baseline,
        candidate,
        tasks=[TaskTraits(id=name, critical=name in arguments.critical) for name in names],
        gates=gates,
        max_infra_error_share=GoldenTesting().max_infra_error_share,
        obstacle=f"not comparable: {'; '.join(refused)}" if refused else None,
    )
    facts = EvaluationFacts(
        evaluation_id=f"compare-{_digest(arguments.runs)}",
        rounds=1,
        stopped_early=False,
        spend_usd=total_spend_usd(runs, refs),
        seconds=time.monotonic() - began,
        seed=0,
        versions=versions(),
        allowed_different=tuple(
            sorted({d.field for d in differing}.intersection(arguments.allow_different))
        ),
    )
    return document(judgement, facts)


def _gates(config: Path) -> Gates:
    """The configuration's gates where there is one, else the defaults; which is said."""
    if config.is_file():
        print(f"gates: {config}", file=sys.stderr)
        return load_config(config, os.environ).gates
    print("gates: the defaults", file=sys.stderr)
    return Gates()


def _named(pairs: Sequence[str]) -> dict[str, str]:
    """`--column success=resolved` as our column -> the log's."""
    named = dict(pair.partition("=")[::2] for pair in pairs)
    for ours, theirs in named.items():
        if ours not in GUESSES or not theirs:
            raise InputError(
                f"--column {ours}={theirs} names no column of ours",
                mend=f"write OURS=THEIRS with one of: {', '.join(GUESSES)}",
            )
    return named


def _prompt(log: RunLog, text: str, flag: str) -> PromptRef:
    """The prompt of the log with this id, or the only one whose id begins `text:`."""
    ids = sorted(pc.unique(log.runs["prompt_id"]).to_pylist())
    found = [each for each in ids if each == text] or [i for i in ids if i.startswith(f"{text}:")]
    if len(found) != 1:
        shown = ", ".join(_one_line(each) for each in ids[:10])
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


def _one_line(text: str) -> str:
    """Bounded, and without control characters: it comes from a file."""
    return "".join(c if c.isprintable() else "?" for c in text)[:80]
