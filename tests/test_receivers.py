"""The section `alerts` of `assay.yaml`."""

import re
from pathlib import Path

import pytest

from assay.config import Config, load_config
from assay.errors import InputError
from assay.receivers import (
    AlertKind,
    EmailReceiver,
    SlackReceiver,
    WebhookReceiver,
    is_loopback,
)

PROMPTS = 'prompts: {active: "support:v13", rollback: "support:v12"}\n'
WEBHOOK = "  - {kind: webhook, url_env: ASSAY_ALERT_URL}\n"
EMAIL = """\
  - kind: email
    to: [oncall@example.com]
    from: assay@example.com
    host: smtp.example.com
"""
DOCS = Path(__file__).parents[1] / "docs" / "alerts.md"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(alerts: str, environ: dict[str, str] | None = None) -> Config:
    Path("assay.yaml").write_text(f"{PROMPTS}alerts:\n{alerts}", encoding="utf-8")
    return load_config(Path("assay.yaml"), environ or {})


def complaint(alerts: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(InputError) as caught:
        load(alerts, environ)
    return str(caught.value)


def test_receivers_of_every_kind_are_read() -> None:
    """In the order of the file, which is the order of the report."""
    webhook, slack, email = load(
        "  - {kind: webhook, url_env: ASSAY_ALERT_URL, on: [canary, drift]}\n"
        f"  - {{kind: slack, url_env: SLACK_WEBHOOK_URL}}\n{EMAIL}"
    ).alerts
    assert isinstance(webhook, WebhookReceiver)
    assert webhook.on == (AlertKind.CANARY, AlertKind.DRIFT)
    assert isinstance(slack, SlackReceiver)
    assert set(AlertKind) - set(slack.on) == {AlertKind.PROMOTE, AlertKind.TEST}
    assert isinstance(email, EmailReceiver)
    assert (email.sender, email.security, email.port) == ("assay@example.com", "starttls", None)


def test_a_config_with_receivers_survives_a_round_trip() -> None:
    """Workers get it as JSON, and `from` is a word of Python's."""
    config = load(WEBHOOK + EMAIL)
    assert Config.model_validate_json(config.model_dump_json()) == config


def test_a_list_that_is_commented_out_is_empty() -> None:
    """Somebody wants quiet for a night."""
    assert load("#  - {kind: webhook, url_env: X}\n").alerts == ()


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        pytest.param(
            "  - {kind: pager}\n",
            "assay.yaml:3: alerts[0].kind must be one of 'webhook', 'slack', 'email', not 'pager'",
            id="kind",
        ),
        pytest.param(
            f"{WEBHOOK}  - url_env: X\n",
            'assay.yaml:4: alerts[1] has no \'kind\'\n  mend: add it, such as "kind": "webhook"',
            id="no kind",
        ),
        pytest.param(
            f"{WEBHOOK}  - kind: slack\n",
            "assay.yaml:4: alerts[1] has no 'url_env'\n"
            '  mend: add it, such as "url_env": "SLACK_WEBHOOK_URL"',
            id="no address",
        ),
        pytest.param(
            "  - kind: slack\n    url_env: X\n    onn: [canary]\n",
            "assay.yaml:5: unknown key 'onn'\n  mend: did you mean 'on'?",
            id="unknown key",
        ),
        pytest.param(
            EMAIL.replace("from: assay@example.com", "sender: assay@example.com"),
            "assay.yaml:3: alerts[0] has no 'from'\n"
            '  mend: add it, such as "from": "assay@example.com"\n'
            "assay.yaml:5: unknown key 'sender'\n"
            "  mend: use one of: on, kind, to, from, host, port, security, username_env, "
            "password_env",
            id="sender",
        ),
        pytest.param(
            "  - kind: slack\n    url_env: X\n    on:\n      - canary\n      - rejects\n",
            "assay.yaml:7: alerts[0].on[1] must be 'reject', 'inconclusive', 'promote', "
            "'awaiting_approval', 'not_switched', 'switch', 'rollback', 'regression', 'drift', "
            "'token_spike', 'canary', 'spend_limit', 'action_limit', 'failed' or 'test', "
            "not the text 'rejects'",
            id="on",
        ),
        pytest.param(
            "  - {kind: slack, url_env: X, on: []}\n",
            "assay.yaml:3: alerts[0].on must not be empty",
            id="on nothing",
        ),
        pytest.param(
            "  - {kind: slack, url_env: X, on: canary}\n",
            "assay.yaml:3: alerts[0].on must be a list, not the text 'canary'\n"
            '  mend: write a list: ["canary"]',
            id="on text",
        ),
        pytest.param(
            EMAIL.replace("oncall@", "oncall"),
            "assay.yaml:4: alerts[0].to[0] is not an e-mail address\n"
            "  mend: write one such as oncall@example.com",
            id="to",
        ),
        pytest.param(
            f"{EMAIL}    security: ssl\n",
            "assay.yaml:7: alerts[0].security must be 'starttls', 'tls' or 'none', "
            "not the text 'ssl'",
            id="security",
        ),
        pytest.param(
            f"{EMAIL}    port: 70000\n",
            "assay.yaml:7: alerts[0].port must be below 65536, not 70000",
            id="port",
        ),
        pytest.param(
            f"{EMAIL}    username_env: SMTP_USER\n",
            "assay.yaml:3: username_env and password_env go together\n  mend: give both, or none",
            id="user without password",
        ),
        pytest.param(
            f"{EMAIL}    username_env: U\n    password_env: P\n    security: none\n",
            "assay.yaml:9: the password would be sent unencrypted\n"
            "  mend: write security: starttls, or tls",
            id="password in the clear",
        ),
        pytest.param(
            "  - {kind: webhook, url_env: ASSAY_ALERT__URL}\n",
            "assay.yaml:3: alerts[0].url_env is ASSAY_ALERT__URL, which stands for a key of "
            "assay.yaml\n  mend: call it ASSAY_ALERT_URL",
            id="a twin's name",
        ),
        pytest.param(
            "  - slack\n",
            "assay.yaml:3: alerts[0] must be a mapping of keys to values, not the text 'slack'",
            id="not a mapping",
        ),
        pytest.param(
            "  kind: slack\n",
            "assay.yaml:2: alerts must be a list, not a mapping",
            id="not a list",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_and_a_mend(alerts: str, said: str) -> None:
    """An alert that is configured wrongly is found out on the worst of days."""
    assert complaint(alerts) == said


@pytest.mark.parametrize(
    "alerts",
    [
        "  - {kind: slack, url_env: 'https://hooks.example.com/hunter2'}\n",
        "  - {kind: slack, url_env: hunter2}\n",
        "  - {kind: slack, url_env: {hunter2: hunter2}}\n",
        "  - {kind: slack, url_env: [hunter2]}\n",
        "  - {kind: slack, url: hunter2, url_env: X}\n",
        f"{EMAIL}    password: hunter2\n",
        f"{EMAIL}    username_env: hunter2\n    password_env: hunter2\n",
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(alerts: str) -> None:
    """Logs keep what an error message says; a number may be a password, too."""
    assert "hunter2" not in complaint(alerts)
    assert "20042" not in complaint(alerts.replace("hunter2", "20042"))


@pytest.mark.parametrize("name", ["ASSAY_ALERTS__0__HOST", "ASSAY_ALERTS__X"])
def test_receivers_have_no_twins_in_the_environment(name: str) -> None:
    """A list has no keys to stand for."""
    assert complaint(WEBHOOK, {name: "x"}) == (
        f"{name} stands for no key of assay.yaml\n"
        "  mend: unset it; docs/configuration.md has the keys"
    )


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
        ("", False),
    ],
)
def test_what_stays_on_this_machine(host: str, loopback: bool) -> None:
    """Only there may a secret go unencrypted."""
    assert is_loopback(host) is loopback


def test_the_documentation_has_every_kind_and_every_key() -> None:
    """What is not in it is not found at night."""
    text = DOCS.read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE))
    models = (WebhookReceiver, SlackReceiver, EmailReceiver)
    fields = {field.alias or name for model in models for name, field in model.model_fields.items()}
    assert rows >= fields | set(AlertKind)
