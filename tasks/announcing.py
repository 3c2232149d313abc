"""Telling of an evaluation's end: a tag and an event in Prefect, alerts to all who want them."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import Flow, State
from prefect.client.schemas.objects import FlowRun
from prefect.logging import get_logger
from prefect.states import aget_state_exception

from assay.alerts.alert import Alert
from assay.alerts.of_decisions import alerts_of
from assay.alerts.of_switches import alert_of_switch
from assay.canary.promoting import Begun
from assay.canary.switching import CanarySwitch
from assay.config import Config, load_config
from assay.decision import Outcome, decisions_of
from assay.errors import AssayError
from assay.live import Switch
from assay.plan import Plan
from assay.promotion import Promotion
from assay.prompts import parse_ref
from assay.receivers import AlertKind
from tasks.alerting import raise_alert
from tasks.events import emit_decision, emit_switch
from tasks.flow_runs import run_url, tag_run


async def announce(plan: Plan, outcome: Outcome) -> None:
    """Say what was decided and done about it; nothing but configured receivers is waited for."""
    decisions = decisions_of(outcome)
    await tag_run({"verdict": outcome.verdict})
    for each in decisions:
        emit_decision(each)
    alerts = [
        alert
        for each in decisions
        for alert in alerts_of(
            each, one_of_several=len(decisions) > 1, at=datetime.now(UTC), url=run_url()
        )
    ]
    await asyncio.gather(*(raise_alert(alert, plan.config) for alert in alerts))


async def announce_approval(approved: Promotion | Begun, config: str) -> None:
    """Say that a person's yes was carried out."""
    decision = approved.decision
    candidate = f"{decision.candidate.name}:{decision.candidate.version}"
    await tag_run({"kind": "promote", "prompt": candidate, "verdict": decision.verdict})
    await _announce_switch(approved.switch, AlertKind.SWITCH, config)


async def announce_rollback(done: Switch, config: str) -> None:
    """Say that production went back; a call that changed nothing is no news."""
    await tag_run({"kind": "rollback", "prompt": done.after.active})
    await _announce_switch(done, AlertKind.ROLLBACK, config)


async def _announce_switch(done: Switch | CanarySwitch, kind: AlertKind, config: str) -> None:
    if isinstance(done, Switch):
        emit_switch(done)
    if done.changed and done.entry is not None:
        await raise_alert(alert_of_switch(done.entry, kind, url=run_url()), _config_at(config))


async def tell_of_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 - a hook's signature
    """Raise a `failed` alert for a flow run that was not carried out; never raises itself.

    A run without a deployment that crashed was interrupted at somebody's terminal: no news.
    """
    if state.is_crashed() and flow_run.deployment_id is None:
        return
    try:
        config = _config_at(flow_run.parameters.get("config", "assay.yaml"))
        await raise_alert(_failure(flow_run, config, why=await _why(state)), config)
    except Exception as bug:  # noqa: BLE001 - a hook: what it raises would only hide the failure
        get_logger("assay").warning("nobody was told of the failure: %s", type(bug).__name__)


def _failure(run: FlowRun, config: Config | None, *, why: str) -> Alert:
    return Alert(
        kind=AlertKind.FAILED,
        agent=parse_ref(config.prompts.active)[0] if config else "unknown",
        about=run.parameters.get("evaluation_id") or run.id,
        title=f"{run.name} failed",
        text=why,
        at=datetime.now(UTC),
        url=run_url(str(run.id)),
    )


async def _why(state: State[Any]) -> str:
    """In our words where we have some: another library's may repeat a secret."""
    if state.is_crashed():
        return state.message or "crashed"
    error = await aget_state_exception(state)
    if isinstance(error, AssayError):
        return str(error)
    return f"{type(error).__name__}: the flow run's log says more"


def _config_at(path: str) -> Config | None:
    """The configuration, for its receivers; None if that is what was wrong."""
    try:
        return load_config(Path(path), os.environ)
    except AssayError:
        return None
