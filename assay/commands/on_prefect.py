"""Carrying an evaluation out on Prefect: see to a server, run the flow, survive an outage.

The heavy imports (Prefect, pydantic-ai, PyArrow) come while the server starts.
"""

import asyncio
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import assay
from assay.commands.screen import Screen
from assay.errors import CannotEvaluate, InputError
from assay.plan import Plan
from assay.server import api_url_from_outside, begin, client_environment, wait_until_ready

if TYPE_CHECKING:
    from assay.decision import Outcome

PREFECT_DEFAULTS = {
    "PREFECT_CLIENT_MAX_RETRIES": "2",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
    "DO_NOT_TRACK": "1",
}
"""Prefect's own log goes to its server, where the flow run shows it, not over our display. A
server that has gone is given up after 6 s, not after a minute, for each thing to be said to it."""


def check_that_flows_are_ours() -> None:
    """Refuse to run a `flows` or `tasks` of somebody else's that Python finds before ours.

    Raises:
        InputError: There is one.
    """
    home = Path(assay.__file__).resolve().parents[1]
    for name in ("flows", "tasks"):
        spec = find_spec(name)
        origin = spec.origin if spec else None
        if origin is None or Path(origin).resolve() != home / name / "__init__.py":
            raise InputError(
                f"`import {name}` finds {origin or 'nothing'} instead of Assay's {home / name}",
                mend="take its folder off PYTHONPATH and run `assay`, not `python -m assay`, "
                "or rename it",
            )


def reach_prefect(workspace: Path, say: Screen) -> None:
    """Point this process at a Prefect server that answers, starting ours if there is none.

    Raises:
        CannotEvaluate: None answers.
    """
    os.environ.update(
        {name: os.environ.get(name, value) for name, value in PREFECT_DEFAULTS.items()}
    )
    if (url := api_url_from_outside(os.environ)) is not None:
        say.print(f"Prefect server: {url}", markup=False, soft_wrap=True)
        from tasks.outages import check_server

        asyncio.run(check_server(url))
        return
    server = begin(
        workspace, announce=lambda text: say.print(text, markup=False), environ=os.environ
    )
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
    say.print(f"Prefect server: {server.ui_url}", markup=False, soft_wrap=True)


def run_flow(plan: Plan, say: Screen, **options: Any) -> "Outcome":
    """Run the flow under a live display; what it decided, even if Prefect then went away.

    Args:
        plan: What to carry out.
        say: Where progress is shown.
        **options: Further parameters of the flow.

    Raises:
        CannotEvaluate: Prefect failed before there was a decision.
    """
    from tasks.outages import OUTAGES, give_up_soon

    give_up_soon()
    parameters = {
        "candidate": plan.candidates[0].ref,
        "more_candidates": [prompt.ref for prompt in plan.candidates[1:]],
        "baseline": plan.baseline.ref,
        "config": str(plan.config.path),
        "repeats": plan.repeats,
        "seed": plan.seed,
        "scope": plan.gates.scope,
        "allow_different": list(plan.allow_different),
        "evaluation_id": plan.evaluation_id,
        "replay": plan.replay and plan.replay.mode.value,
        "record_of": plan.replay and plan.replay.evaluation_id,
    }
    try:
        return _watched(plan, say, parameters | options)
    except OUTAGES as outage:
        if (outcome := _decided(plan)) is None:
            raise CannotEvaluate(
                f"the Prefect server failed: {type(outage).__name__}: {outage}",
                mend="see that it answers and run the same command again: finished runs are kept",
            ) from outage
        say.print("warning: the Prefect server went away; its history has a gap", markup=False)
        return outcome


def run_nightly(config: Path, say: Screen, *, max_concurrency: int | None) -> Any:
    """Run the nightly flow, its progress shown; Prefect's state that it ended in, with the night.

    Raises:
        CannotEvaluate: Prefect failed.
    """
    from flows.nightly import nightly
    from tasks.notices import listener
    from tasks.outages import OUTAGES, give_up_soon
    from tasks.progress import watcher

    give_up_soon()
    with _progress(say) as bar:
        runs = bar.add_task("runs")
        watcher.set(lambda done, total: bar.update(runs, completed=done, total=total))
        listener.set(lambda text: say.print(f"warning: {text}", markup=False, soft_wrap=True))
        try:
            night: Any = nightly(str(config), max_concurrency=max_concurrency, return_state=True)
            return asyncio.run(night)
        except OUTAGES as outage:
            raise CannotEvaluate(
                f"the Prefect server failed: {type(outage).__name__}: {outage}",
                mend="see that it answers and run the same command again: finished runs are kept",
            ) from outage


def _progress(say: Screen) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=say, transient=True)


def _watched(plan: Plan, say: Screen, parameters: Mapping[str, Any]) -> "Outcome":
    from flows import evaluate as flow_module
    from tasks.notices import listener
    from tasks.progress import watcher

    with _progress(say) as bar:
        runs = bar.add_task("runs", total=plan.n_runs)
        watcher.set(lambda done, _: bar.update(runs, completed=done))
        listener.set(lambda text: say.print(f"warning: {text}", markup=False, soft_wrap=True))
        outcome: Any = asyncio.run(flow_module.evaluate(**parameters))
        return cast("Outcome", outcome)  # Prefect opens the state that the flow returns


def _decided(plan: Plan) -> "Outcome | None":
    """What the flow had decided and kept before it was cut off, if it came so far."""
    from assay.decision import read_outcome
    from assay.plan import folder_of

    kept = folder_of(plan).decision
    if not kept.exists():
        return None
    return read_outcome(kept.read_text(encoding="utf-8"))
