"""No secret is said, whatever goes wrong: not in a result, a log, a print or a traceback."""

import asyncio
import json
import logging
import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from assay.alerts.sending import send_alerts
from assay.receivers import Receiver
from tests.alerts.conftest import Pauses, receiver
from tests.alerts.samples import alert
from tests.conftest import Workspace
from tests.fakes.alert_receivers import PASSWORD, SECRET, TAKEN, USER, FakeSMTP, FakeWebhook
from tests.fakes.openai_server import Reply, cuts_off, hangs, refuses, resets

ECHO = f"no such hook: /services/{SECRET}"
REPLIES = {
    "TAKEN": TAKEN,
    "ECHOED": Reply(status=404, body=ECHO.encode(), headers={"X-Said": SECRET}),
    "FAILED": refuses(500, ECHO),
    "MOVED": Reply(status=302, headers={"Location": f"https://example.com/{SECRET}"}),
    "RESET": resets(),
    "CUT": cuts_off(),
    "HANGS": hangs(),
}
WRONG = {
    "SCHEME": f"htp://example.com/{SECRET}",
    "OPEN": f"http://{SECRET}:{SECRET}@example.com/{SECRET}",
    "BRACKET": f"https://[{SECRET}",
    "PORT": f"https://example.com:{SECRET}",
    "HOST": f"https://nowhere.invalid/{SECRET}",
    "LONG": f"https://{'x' * 300}.example.com/{SECRET}",
    "SPACES": f"https://exa mple.com/{SECRET}",
}


class Receivers:
    """Receivers that fail in every way, and the environment that holds their secrets."""

    def __init__(self) -> None:
        self.environ = {"SMTP_USER": USER, "SMTP_PASSWORD": PASSWORD, **WRONG}
        self.keys: list[dict[str, object]] = [
            {"kind": "webhook", "url_env": name} for name in (*REPLIES, *WRONG, "UNSET")
        ]

    def add_email(self, port: int, **keys: object) -> None:
        self.keys.append(
            {"kind": "email", "to": ["oncall@example.com"], "from": "assay@example.com",
             "host": "127.0.0.1", "port": port, **keys}
        )  # fmt: skip

    @property
    def made(self) -> list[Receiver]:
        return [receiver(**keys) for keys in self.keys]

    @property
    def yaml(self) -> str:
        """The section, with those only that fail at once."""
        fast = [keys for keys in self.keys if keys.get("url_env") != "HANGS"]
        return f"alerts: {json.dumps(fast)}\n"


@pytest.fixture
async def failing(
    server_tls: ssl.SSLContext, strange_tls: ssl.SSLContext
) -> AsyncIterator[Receivers]:
    found = Receivers()
    login = {"username_env": "SMTP_USER", "password_env": "SMTP_PASSWORD"}
    swapped = {"username_env": "SMTP_PASSWORD", "password_env": "SMTP_USER"}
    async with AsyncExitStack() as stack:
        for name, reply in REPLIES.items():
            webhook = await stack.enter_async_context(FakeWebhook([reply]))
            found.environ[name] = webhook.url
        asking = FakeSMTP(security="starttls", tls=server_tls, asks_password=True)
        found.add_email((await stack.enter_async_context(asking)).port, **login)
        found.add_email(asking.port, **swapped)
        strange = FakeSMTP(security="starttls", tls=strange_tls, asks_password=True)
        found.add_email((await stack.enter_async_context(strange)).port, **login)
        plain = await stack.enter_async_context(FakeSMTP([f"554 {PASSWORD}"]))
        found.add_email(plain.port, security="none", **login)
        found.add_email(plain.port, security="none")
        yield found


async def test_no_result_and_no_log_repeats_a_secret(
    failing: Receivers, pauses: Pauses, caplog: pytest.LogCaptureFixture
) -> None:
    """Results go into Prefect's history, and logs to whoever may read logs."""
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    deliveries = await send_alerts(
        alert(),
        failing.made,
        environ=failing.environ,
        patience=pauses.patience(attempts=2, attempt_s=1.0),
    )
    said = [*map(str, deliveries), *map(repr, deliveries)]
    said += [record.getMessage() for record in caplog.records if record.name != "mail.log"]
    assert not [words for words in said if SECRET in words]
    assert {delivery.delivered for delivery in deliveries} == {True, False}
    bugs = [words for words in map(str, deliveries) if "failed (" in words]
    assert bugs == []


async def test_the_command_says_what_came_of_it_and_no_secret(
    failing: Receivers, workspace: Workspace, clean_environ: dict[str, str]
) -> None:
    """In Python's development mode, which shows more than anybody would want."""
    here = workspace()
    with (here / "assay.yaml").open("a") as config:
        config.write(failing.yaml)
    environ = clean_environ | failing.environ | {"SSL_CERT_FILE": os.environ["SSL_CERT_FILE"]}
    exit_code, printed = await alerts_test(here, environ)
    assert exit_code == 4
    assert SECRET not in printed
    assert "webhook (TAKEN): delivered\n" in printed
    assert "webhook (ECHOED): not delivered: HTTP 404\n" in printed
    assert "webhook (UNSET): not delivered: the environment variable UNSET is not set" in printed


async def alerts_test(folder: Path, environ: dict[str, str]) -> tuple[int | None, str]:
    """Exit code and all that is printed by `assay alerts test`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "dev", "-m", "assay", "alerts", "test",
        cwd=folder, env=environ,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await process.communicate()
    return process.returncode, printed.decode()


async def test_the_command_succeeds_when_all_are_reached(
    workspace: Workspace, clean_environ: dict[str, str]
) -> None:
    """A deployment's check may rely on the exit code."""
    here = workspace()
    with (here / "assay.yaml").open("a") as config:
        config.write("alerts: [{kind: slack, url_env: CHAT, on: [canary]}]\n")
    async with FakeWebhook([TAKEN]) as chat:
        exit_code, printed = await alerts_test(here, clean_environ | {"CHAT": chat.url})
    assert exit_code == 0
    assert printed.endswith("slack (CHAT): delivered\n")  # Python may warn of a slow loop before
    assert chat.asked[0].body["text"].startswith("*support: a test alert*\n")


async def test_the_command_says_that_nobody_would_be_told(
    workspace: Workspace, clean_environ: dict[str, str]
) -> None:
    """Exit code 0 would be read as: they work."""
    exit_code, printed = await alerts_test(workspace(), clean_environ)
    assert exit_code == 2
    assert printed == (
        "error: assay.yaml: no alerts are configured\n"
        "  mend: add the section `alerts`; docs/alerts.md has examples\n"
    )
