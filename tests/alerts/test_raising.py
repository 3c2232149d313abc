"""An alert raised in a flow, on a real Prefect server: what its history keeps, and what not."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from assay.alerts.alert import as_json
from tests.alerts.samples import alert
from tests.conftest import ROOT, Workspace
from tests.fakes.alert_receivers import SECRET, TAKEN, FakeWebhook
from tests.fakes.openai_server import refuses

pytestmark = pytest.mark.slow

PATIENCE_S = 60
ALERTS = "alerts: [{kind: webhook, url_env: UP}, {kind: slack, url_env: DOWN}]\n"
RAISING = """
import asyncio, os, sys
from pathlib import Path
from prefect import flow
from assay.config import load_config
from tasks.alerting import raise_alert
from tasks.outages import give_up_soon
from tests.alerts.samples import alert

@flow(name="raising")
async def raising():
    config = load_config(Path(sys.argv[1]), os.environ)
    told = [await raise_alert(alert(about=sys.argv[2]), config) for _ in range(2)]
    return [*map(str, told[0]), *map(str, told[1])]

give_up_soon()
print(*asyncio.run(HOW), sep="\\n")
"""


async def raised(
    folder: Path, about: str, environ: dict[str, str], *, how: str = "raising()"
) -> tuple[str, str]:
    """What a process prints in whose flow the sample is raised: its output, and its log."""
    script = RAISING.replace("HOW", how)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, folder / "assay.yaml", about,
        cwd=ROOT, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode(), err.decode()


@pytest.fixture
def configured(workspace: Workspace) -> Path:
    """A workspace with a receiver that takes alerts, and one that does not."""
    here = workspace()
    with (here / "assay.yaml").open("a") as config:
        config.write(ALERTS)
    return here


async def test_an_alert_is_an_event_and_a_line_of_the_log_and_holds_no_secret(
    configured: Path, prefect_environ: dict[str, str]
) -> None:
    """Automations start from the event, and once only, however often the alert is raised."""
    async with FakeWebhook([TAKEN]) as up, FakeWebhook([refuses(404)]) as down:
        environ = prefect_environ | {"UP": up.url, "DOWN": down.url}
        printed = "".join(await raised(configured, "one", environ))
    assert len(up.asked) == 2
    assert "webhook (UP): delivered" in printed
    assert "slack (DOWN): not delivered: HTTP 404" in printed
    async with Server(prefect_environ["PREFECT_API_URL"]) as server:
        event = await server.the_event(about="one")
        kept = json.dumps([event, *await server.logs()])
    assert event["payload"] == as_json(alert(about="one"))
    assert event["resource"]["prefect.resource.id"] == "assay.agent.support"
    assert event["resource"]["assay.alert.kind"] == "reject"
    assert any(related["prefect.resource.role"] == "flow" for related in event["related"])
    assert "alert reject: webhook (UP): delivered" in kept
    assert "alert reject: slack (DOWN): not delivered: HTTP 404" in kept
    assert SECRET not in kept + printed


async def test_without_a_prefect_server_people_are_told_all_the_same(
    configured: Path, prefect_environ: dict[str, str]
) -> None:
    """Its going away is no reason for silence."""
    gone = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    async with FakeWebhook([TAKEN]) as up:
        environ = prefect_environ | gone | {"UP": up.url}
        printed, log = await raised(configured, "two", environ, how="raising.fn()")
    assert "webhook (UP): delivered" in printed
    assert "slack (DOWN): not delivered: the environment variable DOWN is not set" in log
    assert len(up.asked) == 2


class Server:
    """What the Prefect server keeps."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, trust_env=False)

    async def __aenter__(self) -> "Server":
        token = (await self._client.get("/csrf-token", params={"client": "tests"})).json()["token"]
        self._client.headers.update({"Prefect-Csrf-Client": "tests", "Prefect-Csrf-Token": token})
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def the_event(self, *, about: str) -> dict[str, Any]:
        """The one event of the alert about that, once the server has stored it."""
        only = {"filter": {"event": {"name": ["assay.alert"]}}}
        deadline = time.monotonic() + PATIENCE_S
        found: list[dict[str, Any]] = []
        while not found:
            assert time.monotonic() < deadline
            events = (await self._client.post("/events/filter", json=only)).json()["events"]
            found = [event for event in events if event["payload"]["about"] == about]
        (event,) = found
        return event

    async def logs(self) -> list[dict[str, Any]]:
        """The last lines that flow runs logged."""
        answer = await self._client.post("/logs/filter", json={"sort": "TIMESTAMP_DESC"})
        lines: list[dict[str, Any]] = answer.raise_for_status().json()
        return lines
