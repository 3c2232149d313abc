"""OnceOnly beside a canary: what it is told, and that nothing it does stops a rollback."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.canary.governed import tell_governor
from assay.canary.state import Outcome
from assay.cli import main
from assay.config import load_config
from assay.errors import InputError
from assay.governance.governor import CanaryFacts, Nobody, Said, governor_of
from assay.governance.policy import policy_of
from assay.pointers import read_pointer_file
from tests.canary.conftest import Shop
from tests.fakes.onceonly_server import PAID, FakeOnceOnly

pytest.importorskip("onceonly")

FACTS = CanaryFacts(
    canary_id="20261125-030000-support-v14",
    version="support:v14",
    prompt_id="support:v14:50af3e26c3af",
    baseline_prompt_id="support:v13:1111aaaa2222",
    reason="mean_tokens rose",
    canary_runs=60,
    baseline_runs=1140,
    spend_usd=0.5,
)
METRICS = (
    "OnceOnly: support, last day: 1,234 actions, 5 blocked, $3.20; "
    "our log: 60 canary runs, $0.50, 1,140 of the active"
)


@pytest.fixture
def service() -> Iterator[FakeOnceOnly]:
    with FakeOnceOnly() as server:
        yield server


@pytest.fixture
def shop(tmp_path: Path, service: FakeOnceOnly, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop whose canaries OnceOnly is told of."""
    monkeypatch.setenv("ONCEONLY_API_KEY", service.key)
    return configured(Shop(tmp_path), service)


def configured(shop: Shop, service: FakeOnceOnly, **keys: Any) -> Shop:
    section = {
        "enabled": True,
        "agent_id": "support",
        "base_url": service.base_url,
        **keys,
    }
    before = shop.path.read_text().partition("onceonly:")[0].partition("agent:")[0]
    if "monitors:" not in before:
        limits = "  monitors: {max_actions_per_hour: 200}\n"
        before = before.replace("rollout:\n", f"rollout:\n{limits}")
    agent = {"allowed_tools": ["kb.search"], "max_calls_per_tool": {"kb.search": 2}}
    shop.path.write_text(f"{before}agent: {json.dumps(agent)}\nonceonly: {json.dumps(section)}\n")
    return shop


def governor(shop: Shop, service: FakeOnceOnly, **environ: str) -> Any:
    return governor_of(shop.config, environ or {"ONCEONLY_API_KEY": service.key})


def test_without_the_section_nobody_is_asked(tmp_path: Path) -> None:
    """An optional extra is not even imported."""
    said = governor_of(Shop(tmp_path).config, {})
    assert isinstance(said, Nobody)
    assert said.at_alarm(FACTS) == Said()


def test_the_policy_is_set_before_the_canary_answers_anybody(
    shop: Shop, service: FakeOnceOnly
) -> None:
    """The first canary run is already governed; the event says which prompt it is."""
    seen: list[str] = []
    service.on_call = lambda _: seen.append(str(read_pointer_file(shop.path).says.canary))
    done = shop.start()
    assert service.asked == ["GET /v1/policies/support", "POST /v1/policies/support",
                             "POST /v1/events"]  # fmt: skip
    assert seen == [seen[0]] * 3
    assert "support:v14" not in seen[0]
    assert done.warnings == ()
    assert service.policies["support"] == {
        "agent_id": "support", "allowed_tools": ["kb.search"], "max_actions_per_hour": 200,
    }  # fmt: skip
    event = service.posted("POST /v1/events")
    assert event["type"] == "canary_starting"
    assert event["data"]["prompt_id"] == shop.prompt_id("v14")
    looked = shop.look()
    assert looked.state is not None
    assert event["run_id"] == looked.state.canary_id


def test_a_policy_that_is_there_keeps_what_the_config_does_not_say(
    shop: Shop, service: FakeOnceOnly
) -> None:
    """Whoever blocked a tool there did it for a reason."""
    service.policies["support"] = {"blocked_tools": ["refund"], "max_actions_per_hour": 9}
    assert governor(shop, service).before_canary(FACTS).warnings == ()
    assert service.policies["support"]["blocked_tools"] == ["refund"]
    assert service.policies["support"]["max_actions_per_hour"] == 200
    service.calls.clear()
    governor(shop, service).before_canary(FACTS)
    assert "POST /v1/policies/support" not in service.asked  # it is so already


def test_calls_of_one_run_are_not_sent_as_calls_of_a_day(shop: Shop) -> None:
    """Two searches a run would become two searches a day: an outage."""
    assert "max_calls_per_tool" not in policy_of(shop.config)


def test_metrics_are_shown_beside_ours(shop: Shop, service: FakeOnceOnly) -> None:
    """They count actions and dollars of the whole agent; no tokens, and no prompt."""
    assert governor(shop, service).at_look(FACTS) == Said((METRICS,))


def test_an_alarm_disables_the_agent_only_where_that_is_asked_for(
    shop: Shop, service: FakeOnceOnly
) -> None:
    """It stops the good version, too."""
    governor(shop, service).at_alarm(FACTS)
    assert "POST /v1/agents/support/disable" not in service.asked
    configured(shop, service, disable_on_alarm=True)
    said = governor(shop, service).at_alarm(FACTS)
    assert said.warnings == ()
    assert said.lines[0].startswith("OnceOnly: support is disabled")
    assert service.posted("POST /v1/agents/support/disable") == {
        "reason": "support:v14:50af3e26c3af: mean_tokens rose"
    }
    assert service.posted("POST /v1/events")["type"] == "canary_alarm"


def garbage(service: FakeOnceOnly) -> None:
    service.answer = lambda *_: (200, b"\x00<html>{")  # type: ignore[method-assign]


def broken(service: FakeOnceOnly) -> None:
    service.answer = lambda *_: (500, b'{"detail": "\x1b[2Jno ' + service.key.encode() + b'"}')  # type: ignore[method-assign]


def plan(service: FakeOnceOnly) -> None:
    service.answer = lambda *_: (403, json.dumps(PAID).encode())  # type: ignore[method-assign]


def refused(service: FakeOnceOnly) -> None:
    service.answer = lambda *_: (401, b"{}")  # type: ignore[method-assign]


def wrong_types(service: FakeOnceOnly) -> None:
    service.answer = lambda *_: (200, b'{"total_actions": [1], "policy": [2], "is_enabled": "no"}')  # type: ignore[method-assign]


def hanging(service: FakeOnceOnly) -> None:
    service.hangs = True


def dripping(service: FakeOnceOnly) -> None:
    service.drips = True


TROUBLE = [
    (garbage, "the answer does not say that the agent is disabled"),
    (broken, "kill switch: ApiError: "),
    (plan, "this call needs a paid plan"),
    (refused, "UnauthorizedError"),
    (wrong_types, "the answer does not say that the agent is disabled"),
    (hanging, "kill switch: not done within 0.3 s"),
    (dripping, "kill switch: not done within 0.3 s"),
]


@pytest.mark.parametrize(("trouble", "warning"), TROUBLE)
def test_whatever_onceonly_does_is_at_worst_a_warning(
    shop: Shop, service: FakeOnceOnly, trouble: Any, warning: str
) -> None:
    """Within its time, without the key, and in words that a terminal may print."""
    configured(shop, service, disable_on_alarm=True, timeout_s=0.3)
    trouble(service)
    said = governor(shop, service).at_alarm(FACTS)
    words = "".join((*said.lines, *said.warnings))
    assert warning in words
    assert service.key not in words
    assert words.isprintable()


def test_a_canary_is_taken_back_before_a_service_that_hangs_is_asked(
    shop: Shop, service: FakeOnceOnly
) -> None:
    """A governor that is down must not keep a bad prompt in production."""
    shop.start()
    configured(shop, service, disable_on_alarm=True, timeout_s=0.3)
    shop.production.runs(600, tokens=3.0, calls=3.0)
    service.hangs = True
    seen: list[str] = []
    service.on_call = lambda _: seen.append(str(read_pointer_file(shop.path).says.canary))
    looked = shop.look()
    said = tell_governor(shop.config, looked, {"ONCEONLY_API_KEY": service.key})
    assert looked.outcome is Outcome.ALARM
    assert said.warnings == ("OnceOnly, kill switch: not done within 0.3 s",)
    assert seen
    assert not any("support:v14" in each for each in seen)


@pytest.mark.parametrize("trouble", [garbage, plan, hanging])
def test_whatever_onceonly_does_a_canary_begins(
    shop: Shop, service: FakeOnceOnly, trouble: Any
) -> None:
    """A limit that could not be set is a warning."""
    configured(shop, service, timeout_s=0.3)
    trouble(service)
    done = shop.start()
    assert done.changed
    assert any("OnceOnly, policy: " in warning for warning in done.warnings)
    assert "POST /v1/policies/support" not in service.asked  # what is there is not known


def test_a_service_that_is_not_there_is_a_warning(shop: Shop, service: FakeOnceOnly) -> None:
    """As on the night when everything is down."""
    configured(shop, service, base_url="http://127.0.0.1:1")
    said = governor(shop, service).at_look(FACTS)
    assert said.lines == ()
    assert "OnceOnly, metrics: ConnectError" in said.warnings[0]


def test_without_its_key_it_is_not_asked(shop: Shop, service: FakeOnceOnly) -> None:
    """The SDK reads no variable by itself, so that ours decides."""
    said = governor(shop, service, OTHER="x").at_alarm(FACTS)
    assert said == Said(warnings=("OnceOnly: ONCEONLY_API_KEY is not set",))
    assert service.calls == []


def test_the_watch_shows_what_onceonly_says(
    shop: Shop, service: FakeOnceOnly, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command, with its look, its page and the line below."""
    shop.start()
    shop.production.runs(5)
    assert main(["canary", "watch", "--once", "-c", str(shop.path)]) in (0, 3)
    assert "OnceOnly: support, last day: 1,234 actions" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{enabled: true}", "there is no onceonly.agent_id"),
        ("{agent_id: a/../b}", "onceonly.agent_id"),
        ("{base_url: api.example.com}", "onceonly.base_url is not an address"),
        ("{base_url: 'https://me:word@example.com'}", "base_url holds a user or a password"),
        ("{timeout_s: 600}", "onceonly.timeout_s"),
    ],
)
def test_a_section_that_cannot_work_is_refused(tmp_path: Path, section: str, said: str) -> None:
    """The id becomes part of an address, unescaped, in the SDK."""
    path = tmp_path / "assay.yaml"
    path.write_text(f"prompts: {{active: 'a:v2', rollback: 'a:v1'}}\nonceonly: {section}\n")
    with pytest.raises(InputError, match=said):
        load_config(path, {})
