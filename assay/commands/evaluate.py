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
from assay.commands.verdicts import check_concurrency, check_fields, check_json, report
from assay.forecast.cost import short_form
from assay.plan import Plan, folder_of
from assay.settling import Request, settle
from assay.store.replay import ReplayMode

EXIT_NOT_SWITCHED = 3


def evaluate(arguments: argparse.Namespace) -> int:
    """Run the main job; the exit code is the verdict's."""
    say = Screen(stderr=True, highlight=False)
    check_concurrency(arguments.max_concurrency)
    check_json(arguments.json)
    check_fields(arguments.allow_different)
    check_that_flows_are_ours()
    plan = settle(_request(arguments), environ=os.environ, now=datetime.now(UTC))
    _announce(plan, say)
    try:
        reach_prefect(plan.config.folder, say)
        outcome = run_flow(
            plan,
            say,
            max_concurrency=arguments.max_concurrency,
            switch=not arguments.no_switch,
            record=plan.records,
            switch_best=arguments.switch_best,
        )
    except KeyboardInterrupt:
        say.print("\nInterrupted; the runs made so far are kept. Go on with:")
        say.print(f"  {_going_on(plan, arguments)}", markup=False, soft_wrap=True)
        raise
    exit_code = report(outcome, arguments.json)
    switches = not arguments.no_switch and not plan.is_rerun
    asked = switches and (len(plan.candidates) == 1 or arguments.switch_best)
    is_done = outcome.switched or outcome.canary or outcome.awaits_approval
    is_left = asked and outcome.verdict == "promote" and not is_done
    return EXIT_NOT_SWITCHED if is_left else exit_code


def _request(arguments: argparse.Namespace) -> Request:
    return Request(
        candidates=tuple(arguments.candidates),
        baseline=arguments.baseline,
        repeats=arguments.repeats,
        seed=arguments.seed,
        resume=arguments.resume,
        scope=arguments.scope,
        allow_different=tuple(arguments.allow_different),
        records=arguments.record,
        replay=ReplayMode(arguments.replay) if arguments.replay else None,
        record_of=arguments.record_of,
        config=arguments.config,
    )


def _going_on(plan: Plan, arguments: argparse.Namespace) -> str:
    """The command that finishes what was interrupted."""
    words = ["assay", "evaluate", *(prompt.ref for prompt in plan.candidates)]
    if folder_of(plan).journal.exists():  # else it was interrupted before it began
        words += ["--resume", plan.evaluation_id]
    if arguments.config != Path("assay.yaml"):
        words += ["-c", str(arguments.config)]
    words += ["--no-switch"] * arguments.no_switch + ["--switch-best"] * arguments.switch_best
    words += ["--record"] * plan.records
    if plan.replay is not None:
        words += ["--replay", plan.replay.mode, "--record-of", plan.replay.evaluation_id]
    words += ["--scope", arguments.scope] if arguments.scope else []
    for field in arguments.allow_different:
        words += ["--allow-different", field]
    return shlex.join(words)


def _announce(plan: Plan, say: Screen) -> None:
    say.print(
        f"{', '.join(prompt.ref for prompt in plan.candidates)} against {plan.baseline.ref}: "
        f"{len(plan.tasks)} golden tasks x {len(plan.prompts)} prompts x up to {plan.repeats} "
        f"repeats = {plan.n_runs} runs at most"
    )
    if (expected := short_form(plan)) is not None:
        say.print(expected, markup=False)
    agent = plan.config.agent
    if agent.kind == "builtin" and agent.model == "scripted":
        say.print("model: scripted (a simulation that runs offline, with the real tools)")
    if plan.replay is not None:
        answered = "tools are"
        if plan.is_rerun:
            answered = "everything is" if agent.kind == "builtin" else "the model is"
        say.print(f"{answered} answered by the record of evaluation {plan.replay.evaluation_id}")
        if agent.kind != "builtin":
            say.print("warning: the agent's own process runs, and so do its own tools")
    doing = "going on with evaluation" if plan.resumed else "evaluation"
    say.print(f"{doing} {plan.evaluation_id}")
