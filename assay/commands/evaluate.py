"""`assay evaluate`: settle the plan, have it carried out, say the verdict.

Every file is read and checked before a server is started or a run is made.
"""

import argparse
import os
import shlex
from datetime import UTC, datetime
from pathlib import Path

from assay.commands.on_prefect import check_that_flows_are_ours, reach_prefect, run_flow
from assay.commands.screen import Screen
from assay.commands.verdicts import check_json, report
from assay.errors import InputError
from assay.forecast.cost import short_form
from assay.plan import Plan, Request, folder_of, settle

EXIT_NOT_SWITCHED = 3


def evaluate(arguments: argparse.Namespace) -> int:
    """Run the main job; the exit code is the verdict's."""
    say = Screen(stderr=True, highlight=False)
    _check_concurrency(arguments.max_concurrency)
    check_json(arguments.json)
    check_that_flows_are_ours()
    plan = settle(_request(arguments), environ=os.environ, now=datetime.now(UTC))
    _announce(plan, say)
    try:
        reach_prefect(plan.config.folder, say)
        decision = run_flow(
            plan,
            say,
            max_concurrency=arguments.max_concurrency,
            switch=not arguments.no_switch,
        )
    except KeyboardInterrupt:
        say.print("\nInterrupted; the runs made so far are kept. Go on with:")
        say.print(f"  {_going_on(plan, arguments)}", markup=False, soft_wrap=True)
        raise
    exit_code = report(decision, arguments.json)
    is_done = decision.switched or decision.approval or arguments.no_switch
    return exit_code if is_done or decision.verdict != "promote" else EXIT_NOT_SWITCHED


def _request(arguments: argparse.Namespace) -> Request:
    return Request(
        candidate=arguments.candidate,
        baseline=arguments.baseline,
        repeats=arguments.repeats,
        seed=arguments.seed,
        resume=arguments.resume,
        config=arguments.config,
    )


def _check_concurrency(wanted: int | None) -> None:
    if wanted is not None and wanted < 1:
        raise InputError(f"-j is {wanted}", mend="give 1 or more")


def _going_on(plan: Plan, arguments: argparse.Namespace) -> str:
    """The command that finishes what was interrupted."""
    words = ["assay", "evaluate", plan.candidate.ref]
    if folder_of(plan).journal.exists():  # else it was interrupted before it began
        words += ["--resume", plan.evaluation_id]
    if arguments.config != Path("assay.yaml"):
        words += ["-c", str(arguments.config)]
    if arguments.no_switch:
        words.append("--no-switch")
    return shlex.join(words)


def _announce(plan: Plan, say: Screen) -> None:
    say.print(
        f"{plan.candidate.ref} against {plan.baseline.ref}: {len(plan.tasks)} golden tasks x "
        f"2 prompts x up to {plan.repeats} repeats = {plan.n_runs} runs at most"
    )
    if (expected := short_form(plan)) is not None:
        say.print(expected, markup=False)
    if plan.config.agent.model == "scripted":
        say.print("model: scripted (a simulation that runs offline, with the real tools)")
    doing = "going on with evaluation" if plan.resumed else "evaluation"
    say.print(f"{doing} {plan.evaluation_id}")
