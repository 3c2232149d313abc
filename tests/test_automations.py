"""The automations that come with Assay, on a real Prefect server: created, and set off."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.fakes.alert_receivers import TAKEN, FakeWebhook
from tests.prefect_api import find, prefect_api

pytestmark = pytest.mark.slow

PATIENCE_S = 60
FILES = sorted((ROOT / "automations").glob("*.yaml"))
PREPARING = """
import sys
from prefect import flow
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client

@flow
def rollback(reason: str = ""): ...

block = CustomWebhookNotificationBlock(
    name="oncall", url=sys.argv[1], json_data={"text": "{{subject}} / {{body}}"}
)
with get_client(sync_client=True) as client:
    print(block.save("oncall", overwrite=True))
    print(client.create_deployment(client.create_flow(rollback), name="rollback"))
"""
EMITTING = """
import asyncio, sys
from datetime import UTC, datetime
from assay.alerts.alert import Alert
from tasks.alerting import raise_alert
from tasks.events import emit_decision
from tests.report.decided import incident, promotion

for decision in (promotion(), incident()):
    emit_decision(decision)
for kind in ("switch", "token_spike", "canary"):
    facts = {"canary": "support:v14"} if kind == "canary" else {}
    alert = Alert(
        kind=kind, agent="support", about=kind, title=kind, facts=facts, at=datetime.now(UTC)
    )
    asyncio.run(raise_alert(alert, None))
"""


def python(script: str, environ: dict[str, str], *arguments: str) -> list[str]:
    """What a process prints, by lines."""
    ran = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


def create(file: Path, environ: dict[str, str], **ids: str) -> "subprocess.CompletedProcess[str]":
    """All our files as one, filled in: one start of the command instead of three."""
    text = json.dumps([yaml.safe_load(each.read_text()) for each in FILES])
    for place, filled_in in ids.items():
        text = text.replace(place, filled_in)
    file.write_text(text)
    return subprocess.run(
        [Path(sys.executable).with_name("prefect"), "automation", "create", "--from-file", file],
        env=environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@dataclass(frozen=True)
class SetOff:
    """What came of the events that the automations wait for."""

    notified: list[str]
    rollbacks: list[dict[str, Any]]
    """Flow runs of the deployment."""


@pytest.fixture(scope="module")
def set_off(
    tmp_path_factory: pytest.TempPathFactory, prefect_environ: dict[str, str]
) -> Iterator[SetOff]:
    """All automations, each filled in at its one place, and an event for each and one for none."""
    yield asyncio.run(automate(tmp_path_factory.mktemp("automations"), prefect_environ))
    with prefect_api(prefect_environ) as client:
        for each in find(client, "automations", {}):
            client.delete(f"/automations/{each['id']}").raise_for_status()


async def automate(folder: Path, environ: dict[str, str]) -> SetOff:
    async with FakeWebhook([TAKEN]) as webhook:
        block, deployment = await asyncio.to_thread(python, PREPARING, environ, webhook.url)
        ids = {"BLOCK_DOCUMENT_ID": block, "DEPLOYMENT_ID": deployment}
        ran = await asyncio.to_thread(create, folder / "all.json", environ, **ids)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        await asyncio.to_thread(python, EMITTING, environ)
        rollbacks = await asyncio.to_thread(wait_for, webhook, environ, deployment)
        return SetOff([request.body["text"] for request in webhook.asked], rollbacks)


def wait_for(
    webhook: FakeWebhook, environ: dict[str, str], deployment: str
) -> list[dict[str, Any]]:
    """The deployment's runs, once there is one and both notifications have come."""
    only = {"deployments": {"id": {"any_": [deployment]}}}
    deadline = time.monotonic() + PATIENCE_S
    with prefect_api(environ) as client:
        while len(webhook.asked) < 2 or not find(client, "flow_runs", only):
            assert time.monotonic() < deadline, webhook.asked
            time.sleep(0.1)
        runs: list[dict[str, Any]] = find(client, "flow_runs", only)
        return runs


def test_a_rejection_and_a_token_spike_notify_whoever_is_on_call(set_off: SetOff) -> None:
    """And nothing else does: a promotion and the alert of a switch came as well."""
    spike, rejection = sorted(set_off.notified, key=len)
    assert spike.startswith("token_spike / ")
    assert rejection.startswith("support:v14 rejected / reject: p95 tokens x1.90 (at least")
    assert "evaluation 20261123-213000-abc123" in rejection


def test_a_canary_alarm_runs_the_rollback_with_its_reason(set_off: SetOff) -> None:
    """Nobody has to be awake for it; and it names the version, for only that may be left."""
    (run,) = set_off.rollbacks
    assert run["parameters"] == {"reason": "canary alarm: canary", "version": "support:v14"}


def test_a_file_that_was_not_filled_in_is_refused(
    tmp_path: Path, prefect_environ: dict[str, str]
) -> None:
    """An automation that looks ready and notifies nobody is worse than none."""
    ran = create(tmp_path / "all.json", prefect_environ)
    assert ran.returncode == 1
    assert f"Failed to create {len(FILES)} automation(s)" in ran.stdout + ran.stderr
