"""`assay evaluate`: settle the plan, see to a Prefect server, run the flow, say the verdict.

Every file is read and checked before a server is started or a run is made. The heavy
imports (Prefect, pydantic-ai, PyArrow) come while the server starts.
"""

import argparse
import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from assay.errors import InputError
from assay.plan import Plan, Request, settle
from assay.server import api_url_from_outside, begin, client_environment, wait_until_ready

if TYPE_CHECKING:
    from assay.decision import Decision

QUIET_PREFECT = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL", "DO_NOT_TRACK": "1"}
"""Prefect's own log goes to its server, where the flow run shows it, not over our display."""


def evaluate(arguments: argparse.Namespace) -> int:
    """Run the main job; the exit code is the verdict's."""
    say = Console(stderr=True, highlight=False)
    _check_concurrency(arguments.max_concurrency)
    plan = settle(_request(arguments), environ=os.environ, now=datetime.now(UTC))
    _announce(plan, say)
    try:
        _reach_prefect(plan.config.folder, say)
        decision = _run_flow(plan, arguments, say)
    except KeyboardInterrupt:
        say.print(
            f"\nInterrupted; the runs made so far are kept. Go on with:\n"
            f"  assay evaluate {plan.candidate.ref} --resume {plan.evaluation_id}"
        )
        raise
    return _report(decision, arguments)


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


def _announce(plan: Plan, say: Console) -> None:
    say.print(
        f"{plan.candidate.ref} against {plan.baseline.ref}: {len(plan.tasks)} golden tasks x "
        f"2 prompts x {plan.repeats} repeats = {plan.n_runs} runs"
    )
    if plan.config.agent.model == "scripted":
        say.print("model: scripted (a simulation that runs offline, with the real tools)")
    doing = "going on with evaluation" if plan.resumed else "evaluation"
    say.print(f"{doing} {plan.evaluation_id}")


def _reach_prefect(workspace: Path, say: Console) -> None:
    """Point this process at a Prefect server that answers, starting ours if there is none."""
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET_PREFECT.items()})
    if (url := api_url_from_outside(os.environ)) is not None:
        say.print(f"Prefect server: {escape(url)}")
        return
    server = begin(workspace, announce=say.print, environ=os.environ)
    os.environ.update(client_environment(server))
    import flows.evaluate  # noqa: F401 - costs seconds, and the server takes them too

    if not server.started_now:
        wait_until_ready(server)
    else:
        with say.status("waiting for the Prefect server") as status:
            wait_until_ready(
                server,
                progress=lambda s: status.update(f"waiting for the Prefect server ({s:.0f} s)"),
            )
    say.print(f"Prefect server: {server.ui_url}")


def _run_flow(plan: Plan, arguments: argparse.Namespace, say: Console) -> "Decision":
    from flows import evaluate as flow_module
    from tasks.progress import watcher

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=say, transient=True) as bar:
        runs = bar.add_task("runs", total=plan.n_runs)
        watcher.set(lambda done, _: bar.update(runs, completed=done))
        decision: Decision = asyncio.run(
            flow_module.evaluate(
                candidate=plan.candidate.ref,
                baseline=plan.baseline.ref,
                config=str(plan.config.path),
                repeats=plan.repeats,
                seed=plan.seed,
                max_concurrency=arguments.max_concurrency,
                switch=not arguments.no_switch,
                evaluation_id=plan.evaluation_id,
            )
        )
        return decision


def _report(decision: "Decision", arguments: argparse.Namespace) -> int:
    from assay.report.table import decision_page

    as_json = decision.model_dump_json(indent=2)
    if arguments.json == Path("-"):
        print(as_json)
    else:
        Console(highlight=False).print(decision_page(decision))
    if arguments.json not in (None, Path("-")):
        arguments.json.write_text(as_json + "\n", encoding="utf-8")
    match decision.verdict:
        case "reject":
            return 1
        case "inconclusive":
            return 3
        case "promote":
            return 0 if arguments.no_switch or decision.switched else 3
