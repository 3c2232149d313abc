"""Commands that run or judge: `evaluate`, `nightly`, `plan`, `compare`, `explain`, `selftest`."""

import argparse
from pathlib import Path

from assay.arguments.declaring import (
    Commands,
    add_columns,
    add_comparison,
    add_concurrency,
    add_json,
    add_scope,
    command,
)


def add_evaluate(commands: Commands) -> None:
    """Run, compare, decide, switch."""
    evaluate = command(
        commands,
        "evaluate",
        runs="evaluate:evaluate",
        says="Run every golden task with a candidate and the baseline, decide, switch on promote.",
    )
    evaluate.add_argument(
        "candidates",
        metavar="CANDIDATE",
        nargs="+",
        help="such as support:v14, or v14; each of several gets a verdict of its own",
    )
    add_comparison(evaluate)
    evaluate.add_argument("--seed", type=int, metavar="N", help="of the runs' randomness")
    add_concurrency(evaluate)
    switching = evaluate.add_mutually_exclusive_group()
    switching.add_argument("--no-switch", action="store_true", help="decide only")
    switching.add_argument(
        "--switch-best",
        action="store_true",
        help="of several candidates, switch to the best that is promoted (else none)",
    )
    add_scope(evaluate)
    add_json(evaluate, "the decision")
    evaluate.add_argument("--resume", metavar="ID", help="finish an interrupted evaluation")
    _add_record(evaluate)


def _add_record(evaluate: argparse.ArgumentParser) -> None:
    evaluate.add_argument(
        "--record", action="store_true", help="keep every exchange with the model and the tools"
    )
    evaluate.add_argument(
        "--replay",
        choices=("tools", "all"),
        help="let a record answer what tools are asked; with all, what the model is asked, too: "
        "without a network, at no cost, and nothing is switched; an agent of your own behind "
        "agent.proxy runs all the same, with its tools",
    )
    evaluate.add_argument(
        "--record-of",
        metavar="ID",
        help="the evaluation whose record answers (default: the newest that will do)",
    )


def add_nightly(commands: Commands) -> None:
    """What a schedule does."""
    nightly = command(
        commands,
        "nightly",
        runs="night:nightly",
        says="What a schedule does every night: has the active prompt got worse, or the world "
        "outside moved; then the candidates that wait.",
    )
    add_concurrency(nightly)
    add_json(nightly, "what the night found")


def add_plan(commands: Commands) -> None:
    """Before any money is spent."""
    plan = command(
        commands,
        "plan",
        runs="planning:plan",
        says="What an evaluation will cost and can show, from recorded runs; runs nothing.",
    )
    plan.add_argument("candidate", metavar="CANDIDATE", help="such as support:v14, or v14")
    add_comparison(plan)
    add_json(plan, "the forecast")


def add_compare(commands: Commands) -> None:
    """The same decision on anybody's runs."""
    compare = command(
        commands,
        "compare",
        runs="comparing:compare",
        says="Decide on a run log of any harness: JSON lines, CSV or Parquet.",
    )
    compare.add_argument("runs", type=Path, metavar="RUNS", help="the log, or a folder of Parquet")
    compare.add_argument("--baseline", required=True, metavar="ID", help="prompt to compare with")
    compare.add_argument("--candidate", required=True, metavar="ID", help="prompt to judge")
    add_columns(compare, whose="of the log's columns", such_as="success=resolved")
    add_scope(compare)
    compare.add_argument(
        "--critical", action="append", default=[], metavar="TASK", help="a task that must not break"
    )
    add_json(compare, "the decision")


def add_explain(commands: Commands) -> None:
    """Was it the prompt?"""
    explain = command(
        commands,
        "explain",
        runs="explaining:explain",
        says="Why tokens, tool calls and spend changed: the prompt, the traffic mix, the model "
        "or tools; exit code 3 where the runs cannot tell.",
    )
    side = "a prompt (v13, support:v13), a time, a range START/END in ISO 8601, or a file of runs"
    explain.add_argument("--before", metavar="A", help=f"{side}; of a time, what ran before it")
    explain.add_argument("--after", metavar="B", help="the same; of a time, what ran from it on")
    explain.add_argument("--split-at", metavar="TIME", help="before and after this time")
    explain.add_argument(
        "--runs",
        nargs="+",
        default=[],
        metavar="FILE",
        help="run logs: JSON lines, CSV, Parquet or an evaluation's folder (default: those of "
        "production, as assay monitor finds them)",
    )
    add_columns(explain, whose="of the log's columns", such_as="category=intent")
    explain.add_argument("--seed", type=int, default=20261120, metavar="N", help="of resampling")
    add_json(explain, "it as JSON")


def add_selftest(commands: Commands) -> None:
    """How often the decision errs."""
    selftest = command(
        commands,
        "selftest",
        runs="selftesting:run",
        says="Judge the active prompt against itself on recorded runs: how often that errs.",
    )
    selftest.add_argument("--evaluations", type=int, default=500, metavar="N", help="default: 500")
    selftest.add_argument(
        "--runs",
        default="results",
        metavar="FILE",
        help="a run log to draw from (default: results, the recorded evaluations)",
    )
    selftest.add_argument("--seed", type=int, metavar="N", help="of the draws")
    add_json(selftest, "the rates", it="them")
