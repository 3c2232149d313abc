"""The steps of a night: watching what is active, then the candidates that wait."""

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import State, task
from prefect.artifacts import acreate_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.states import Completed

from assay.alerts.alert import Alert
from assay.config import load_config
from assay.durable import replace_file
from assay.errors import InputError
from assay.history import read_history
from assay.nights.document import Night, NightVerdict
from assay.nights.judging import NightRuns
from assay.nights.judging import judge_night as judged
from assay.nights.markdown import night_markdown
from assay.nights.pending import settled_already
from assay.nights.trends import past_nights
from assay.plan import Plan, folder_of
from assay.prompts import parse_ref
from assay.receivers import AlertKind
from assay.settling import Request, settle, settle_night
from assay.store.parquet import read_runs
from tasks.alerting import raise_alert
from tasks.artifacts import artifact_key
from tasks.flow_runs import run_url, tag_run
from tasks.progress import tell
from tasks.states import MAX_MESSAGE_CHARS

NAMES = {
    NightVerdict.UNCHANGED: "unchanged",
    NightVerdict.DRIFT: "environment drift",
    NightVerdict.REGRESSION: "regression",
    NightVerdict.UNCLEAR: "unclear",
    NightVerdict.NO_REFERENCE: "no reference yet",
    NightVerdict.NO_VERDICT: "no verdict",
}
"""Verdict -> the flow run's state."""
ALERTS = {
    NightVerdict.REGRESSION: AlertKind.REGRESSION,
    NightVerdict.DRIFT: AlertKind.DRIFT,
    NightVerdict.NO_VERDICT: AlertKind.FAILED,
}


def night_name() -> str:
    """The flow run's name."""
    return f"night of {datetime.now().astimezone():%Y-%m-%d}"


@task(persist_result=False, cache_policy=NO_CACHE)
def begin_night(config: str) -> Plan:
    """Read and check what the night needs."""
    plan = settle_night(Path(config), environ=os.environ, now=datetime.now(UTC))
    get_run_logger().info(
        "night %s: %s, %d runs",
        plan.evaluation_id,
        " beside ".join(prompt.ref for prompt in plan.prompts),
        plan.n_runs,
    )
    return plan


@task(persist_result=False, cache_policy=NO_CACHE)
def judge_night(plan: Plan, spent_budget: str | None) -> Night:
    """Hold tonight's runs against the kept ones."""
    results = plan.config.folder / plan.config.results.uri
    nights = past_nights(results, prompt_id=plan.baseline.prompt_id, at_most=1)
    night = judged(
        NightRuns(
            plan=plan,
            runs=read_runs(folder_of(plan).rebuild_parquet()),
            history=read_history(plan.config.path).entries,
            previous=nights[0] if nights else None,
            now=datetime.now(UTC),
            spent_budget=spent_budget,
        )
    )
    get_run_logger().info("%s", night.reason)
    return night


async def publish_night(plan: Plan, night: Night) -> None:
    """Keep what the night found, show it with the flow run, and raise what must be known."""
    folder = folder_of(plan)
    replace_file(folder.decision, f"{night.model_dump_json(indent=2)}\n".encode())
    folder.tapes.unlink(missing_ok=True)
    nights = past_nights(folder.path.parent, prompt_id=plan.baseline.prompt_id)
    page = night_markdown(night, before=nights)
    agent, _ = parse_ref(plan.baseline.ref)
    await tell(acreate_markdown_artifact(page, key=artifact_key("nights", agent)))
    await tag_run({"verdict": NAMES[night.verdict].replace(" ", "-")})
    for alert in _alerts(plan, night):
        await raise_alert(alert, plan.config)


@task(persist_result=False, cache_policy=NO_CACHE)
def pending_candidates(config: str) -> list[str]:
    """The candidates that wait for a verdict; why the others do not is logged."""
    log = get_run_logger()
    found = load_config(Path(config), os.environ)
    waiting = []
    for ref in dict.fromkeys(found.prompts.candidates):
        if ref == found.prompts.active:
            continue
        try:
            request = Request(candidates=(ref,), config=Path(config), over_nights=True)
            plan = settle(request, environ=os.environ, now=datetime.now(UTC))
        except InputError as wrong:
            log.warning("%s is not evaluated: %s", ref, wrong)
            continue
        if (why := settled_already(plan)) is not None:
            log.info("%s: %s", ref, why)
        else:
            waiting.append(ref)
    return waiting


def _alerts(plan: Plan, night: Night) -> Iterable[Alert]:
    agent, _ = parse_ref(plan.baseline.ref)
    found = [(ALERTS[night.verdict], night.reason)] if night.verdict in ALERTS else []
    if night.spike and plan.config.observability.alert_on_token_spike:
        found.append((AlertKind.TOKEN_SPIKE, f"token spike: {night.spike}"))
    for kind, text in found:
        yield Alert(
            kind=kind,
            agent=agent,
            about=night.evaluation_id,
            title=f"{plan.baseline.ref}: {text}",
            text="\n".join([text, *night.notes, f"see it with: assay show {night.evaluation_id}"]),
            facts={
                "active": plan.baseline.ref,
                "evaluation_id": night.evaluation_id,
                "mean_tokens": night.active.mean_tokens,
                "p95_tokens": night.active.p95_tokens,
                "mean_tool_calls": night.active.mean_tool_calls,
                "mean_spend_usd": night.active.mean_spend_usd,
                "cached_share": night.active.cached_share,
            },
            at=night.at,
            url=run_url(),
        )


def may_switch(config: str) -> bool:
    """Whether a promote at night is switched."""
    return load_config(Path(config), os.environ).rollout.nightly_switch


def night_state(night: Night, ended: Mapping[str, State[Any]]) -> State[Night]:
    """Completed, named after the night's verdict, and after a candidate that could not be run."""
    told = ", ".join(f"{ref}: {state.name}" for ref, state in ended.items())
    failed = any(not state.is_completed() for state in ended.values())
    return Completed(
        name=NAMES[night.verdict] + (" (a candidate failed)" if failed else ""),
        message="; ".join(filter(None, [night.reason, told]))[:MAX_MESSAGE_CHARS],
        data=night,
    )
