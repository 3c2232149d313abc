"""The production client: who gets which version, and what happens when the config changes."""

import json
import logging
import os
import threading
import warnings
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay import prompts
from assay.canary.switching import start_canary, stop_canary
from assay.errors import InputError, NoVerdict
from assay.history import CANARY_ALARM, CANARY_START, FORCE, Cause
from assay.live import Pointers, read_pointers, rollback, switch
from assay.pointers import Canary
from assay.prompts import following, watching
from assay.prompts.client import Client
from assay.prompts.routing import place
from assay.prompts.settings import BUDGETS, parse_settings
from assay.sections import Budgets, CanarySection
from tests.clients.conftest import config_text, text_of, until

KEYS = [f"user-{number}" for number in range(2_000)]


def opened(config: Path, **options: object) -> Client:
    return prompts.open(config, check_every_s=0.01, **options)  # type: ignore[arg-type]


def cause(action: str = FORCE) -> Cause:
    return Cause(action=action, who="tests", at=datetime.now(UTC), reason="a test")


def promote(config: Path, version: str) -> None:
    now = read_pointers(config).pointers
    switch(config, to=now.promoting(f"support:{version}"), expect=now, cause=cause())


def serves(client: Client, version: str) -> bool:
    return {client.choose(key).version for key in KEYS[:50]} == {version}


def test_a_choice_is_all_that_a_request_needs(config: Path) -> None:
    """Text, id, system prompt: nothing is put together by the agent, so nothing differs."""
    choice = opened(config).choose("user-1")
    assert (choice.ref, choice.text, choice.is_canary) == ("support:v2", text_of("v2"), False)
    assert choice.system_prompt == prompts.system_prompt(choice)
    assert f"[prompt_id={choice.prompt_id}]" in choice.system_prompt


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_growing_share_only_adds_keys(key: str, one: float, other: float) -> None:
    """A user who went back and forth between versions would be in neither arm."""
    small, large = sorted((one, other))
    at = place("support:v14", key)
    assert 0 <= at < 1
    assert at < large or not at < small


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
def test_a_share_of_the_keys_is_the_canarys(config: Path, share: float) -> None:
    """Within 4 standard errors, for keys that are as regular as numbers."""
    config.write_text(config_text(canary="v3", share=share))
    client = opened(config)
    n = sum(client.choose(key).is_canary for key in KEYS)
    assert abs(n / len(KEYS) - share) < 4 * (share * (1 - share) / len(KEYS)) ** 0.5
    assert [client.choose(key) for key in KEYS] == [client.choose(key) for key in KEYS]


def test_another_canary_hits_other_keys() -> None:
    """Else the same users would try everything first."""
    first, second = (
        {key for key in KEYS if place(ref, key) < 0.1} for ref in ("support:v14", "support:v15")
    )
    assert len(first & second) < 0.3 * len(first)


def test_a_share_of_one_is_everybody_and_of_zero_nobody(config: Path) -> None:
    """The ends of the range are exact."""
    config.write_text(config_text(canary="v3", share=1))
    assert serves(opened(config), "v3")
    config.write_text(config_text(canary="v3", share=0))
    assert serves(opened(config), "v2")


@pytest.mark.parametrize("key", [7, None, b"user-1"])
def test_a_key_that_is_no_string_is_refused_before_there_is_a_canary(
    config: Path, key: object
) -> None:
    """Else the agent would break on the day that a canary begins."""
    with pytest.raises(TypeError, match="a key is a string"):
        opened(config).choose(key)  # type: ignore[arg-type]


def test_a_switch_is_followed_without_a_restart(config: Path) -> None:
    """Assay's own switches, a canary's start and stop, and a rollback."""
    client = opened(config)
    assert serves(client, "v2")
    promote(config, "v3")
    until(lambda: serves(client, "v3"))
    at = Canary("support:v4", 1.0)
    start_canary(config, at, expect=read_pointers(config).pointers, cause=cause(CANARY_START))
    until(lambda: serves(client, "v4"))
    stop_canary(config, cause=cause(CANARY_ALARM))
    until(lambda: serves(client, "v3"))
    rollback(config, reason="a test", who="tests", now=datetime.now(UTC))
    until(lambda: serves(client, "v2"))


def test_a_symlink_that_is_turned_is_followed(config: Path) -> None:
    """Mounted configurations are switched so."""
    other = config.with_name("other.yaml")
    other.write_text(config_text("v4"))
    link = config.with_name("current.yaml")
    link.symlink_to(config)
    client = opened(link)
    turned = config.with_name("new")
    turned.symlink_to(other)
    turned.replace(link)
    until(lambda: serves(client, "v4"))


BROKEN = {
    "half written": config_text("v3")[:25],
    "no such version": config_text("v9"),
    "a key twice": config_text("v3") + "rollout: {}\n",
}
UNREADABLE = {
    "empty": "",
    "not YAML": "prompts: [",
    "no mapping": "prompts",
    "a section that is none": "prompts: support:v3\n",
    "not UTF-8": "prompts: {active: \udcff}\n",
    "no version": config_text("../v1"),
    "no text": "prompts: {active: 7, rollback: a:v1}\n",
    "no rollback": "prompts: {active: a:v1}\n",
    "a merge key": "x: &x {active: a:v1}\nprompts: {<<: *x, rollback: a:v1}\n",
    "frozen, perhaps": config_text("v3").replace("frozen: false", "frozen: yes"),
    "a share in words": config_text("v3").replace("share: 0.0", "share: half"),
    "a share that is none": config_text("v3", canary="v4", share=1.5),
    "prompt_id not logged": config_text("v3") + "observability: {log_prompt_id: false}\n",
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_config_is_refused_not_guessed(text: str) -> None:
    """With the file, and the line where one is known."""
    with pytest.raises(InputError, match=r"^assay\.yaml:"):
        parse_settings(text.encode("utf-8", "surrogateescape"), Path("assay.yaml"))


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_wrong_config_is_refused_at_first_and_not_followed_later(
    config: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The last good version goes on serving, and the error is said once, not a thousand times."""
    told: list[Exception] = []
    client = opened(config, on_error=told.append)
    config.write_text(broken)
    with pytest.raises(InputError):
        opened(config)
    with caplog.at_level(logging.WARNING, "assay.prompts"):
        until(lambda: client.choose("user-1") is not None and client.error is not None)
        assert serves(client, "v2")
        assert told == [client.error]
        assert len(caplog.records) == 1
    config.write_text(config_text("v3"))
    until(lambda: serves(client, "v3"))
    assert client.error is None


def test_a_text_that_is_not_the_locked_one_is_never_served(config: Path) -> None:
    """It would run under an id that no evaluation knows; and it comes right by itself."""
    client = opened(config)
    text = config.parent / "prompts" / "support" / "v3.md"
    text.write_text("Something else.")
    config.write_text(config_text("v3"))
    until(lambda: client.choose("k").version == "v2" and client.error is not None)
    assert "was locked as support:v3:" in str(client.error)
    text.write_text(text_of("v3"))
    until(lambda: serves(client, "v3"))


def test_a_config_that_is_gone_leaves_the_last_good_one(config: Path) -> None:
    """A deployment that removes and writes the file must not stop an agent."""
    client = opened(config)
    config.unlink()
    until(lambda: client.choose("k").version == "v2" and client.error is not None)
    config.write_text(config_text("v3"))
    until(lambda: serves(client, "v3"))


def test_a_broken_canary_keeps_no_rollback_from_being_followed(config: Path) -> None:
    """The canary answers nothing, which is said; active is followed."""
    client = opened(config)
    config.write_text(config_text("v1", canary="v9", share=0.5))
    until(lambda: serves(client, "v1"))
    assert "v9" in str(client.error)


def test_a_file_that_was_just_written_is_not_read_yet(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first half may be valid: `support:v1` of `support:v13`."""
    client = opened(config)
    for module in (watching, following):
        monkeypatch.setattr(module, "STILL_S", 1e9)
    config.write_text(config_text("v3"))
    first = client._following._seen
    until(lambda: client.choose("k").version == "v2" and client._following._seen != first)
    assert serves(client, "v2")
    monkeypatch.setattr(watching, "STILL_S", 0.0)
    until(lambda: serves(client, "v3"))


def test_an_empty_file_is_taken_for_one_that_is_being_written(config: Path) -> None:
    """ext4 empties a file before it dates it anew: of the old date, it would be a wrong config."""
    client = opened(config)
    config.write_text("")
    os.utime(config, (0, 0))
    assert not watching.mark_of(config)._replace(changed_ns=0).has_lain_still
    until(lambda: client.choose("k").version == "v2" and client.error is not None)
    with pytest.raises(InputError, match="the file is empty"):
        opened(config)


def test_what_on_error_raises_stops_no_agent(config: Path) -> None:
    """A broken alert must not be an outage."""

    def fail(_error: Exception) -> None:
        raise RuntimeError("the pager is down")

    client = opened(config, on_error=fail)
    config.write_text("")
    until(lambda: client.choose("k").version == "v2" and client.error is not None)


def test_frozen_is_the_active_version_without_a_canary(config: Path) -> None:
    """The kill switch: whatever is going on stops with one key."""
    config.write_text(config_text(canary="v3", share=1))
    client = opened(config)
    assert serves(client, "v3")
    config.write_text(config_text(canary="v3", share=1, frozen=True))
    until(lambda: serves(client, "v2"))
    assert client.frozen


def test_frozen_never_serves_what_was_rolled_back_from(config: Path) -> None:
    """A deployment that restores an old file brings the bad version back; not while frozen."""
    promote(config, "v3")
    rollback(config, reason="a test", who="tests", now=datetime.now(UTC))
    config.write_text(config_text("v3", rollback="v2"))
    assert serves(opened(config), "v3")
    config.write_text(config_text("v3", rollback="v2", frozen=True))
    assert serves(opened(config), "v2")
    config.write_text(config_text("v3", rollback="v3", frozen=True))
    assert serves(opened(config), "v2"), "the last that was active and is good"


def test_frozen_never_serves_a_canary_that_an_alarm_took_back(config: Path) -> None:
    """The same for a version that was made active after its alarm by hand."""
    at = Canary("support:v3", 0.5)
    start_canary(config, at, expect=read_pointers(config).pointers, cause=cause(CANARY_START))
    stop_canary(config, cause=cause(CANARY_ALARM))
    config.write_text(config_text("v3", rollback="v1", frozen=True))
    assert serves(opened(config), "v1")


def test_a_version_that_was_promoted_again_is_good_again(config: Path) -> None:
    """The last word counts, as for `assay rollback`."""
    promote(config, "v3")
    rollback(config, reason="a test", who="tests", now=datetime.now(UTC))
    promote(config, "v3")
    config.write_text(config_text("v3", rollback="v2", frozen=True))
    assert serves(opened(config), "v3")


def test_a_torn_history_freezes_all_the_same(config: Path) -> None:
    """It informs, and never blocks."""
    promote(config, "v3")
    rollback(config, reason="a test", who="tests", now=datetime.now(UTC))
    with config.with_name("history.jsonl").open("ab") as history:
        history.write(
            b'{"config": "assay.yaml", "from"\n[]\nnull\n{"config": "assay.yaml"}\n\xff\n'
        )
    config.write_text(config_text("v3", rollback="v2", frozen=True))
    assert serves(opened(config), "v2")


def test_nothing_is_promoted_while_frozen_and_a_rollback_is(config: Path) -> None:
    """Who froze it wants no change but the way back."""
    promote(config, "v3")
    config.write_text(config.read_text().replace("frozen: false", "frozen: true"))
    now = read_pointers(config).pointers
    with pytest.raises(NoVerdict, match=r"rollout\.frozen is true") as refused:
        promote(config, "v4")
    assert refused.value.exit_code == 3
    with pytest.raises(NoVerdict, match=r"rollout\.frozen is true"):
        start_canary(config, Canary("support:v4", 0.1), expect=now, cause=cause(CANARY_START))
    assert read_pointers(config).pointers == now
    done = rollback(config, reason="a test", who="tests", now=datetime.now(UTC))
    assert done.after == Pointers(active="support:v2", rollback="support:v1")


def test_defaults_are_those_of_the_configuration() -> None:
    """What a config leaves out must not differ between an evaluation and production."""
    ours = parse_settings(b"prompts: {active: a:v1, rollback: a:v1}", Path("assay.yaml"))
    assert ours.share == CanarySection().share
    assert {name: getattr(Budgets(), name) for name in BUDGETS} == BUDGETS == ours.budgets


def test_eight_threads_see_every_switch_whole(config: Path) -> None:
    """One thread looks; the others never wait, and never see half of a change."""
    client, stop = opened(config), threading.Event()
    seen: set[tuple[str, str]] = set()
    failed: list[BaseException] = []

    def pick() -> None:
        try:
            while not stop.wait(0.0005):
                choice = client.choose("user-1")
                seen.add((choice.version, choice.text))
        except BaseException as wrong:  # noqa: BLE001 - told by the test
            failed.append(wrong)

    threads = [threading.Thread(target=pick) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        for version in ("v3", "v4"):
            config.write_text(config_text(version))
            until(lambda wanted=version: (wanted, text_of(wanted)) in seen)  # type: ignore[misc]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failed
    assert seen == {(each, text_of(each)) for each in ("v2", "v3", "v4")}


def test_a_forked_process_follows_too(config: Path) -> None:
    """Servers fork workers, at times while another thread holds the lock of a look."""
    client = opened(config)
    client._following._lock.acquire()
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other tests leave threads behind
        child = os.fork()
    if child == 0:
        try:
            config.write_text(config_text("v3"))
            until(lambda: serves(client, "v3"))
            os.write(writer, json.dumps("followed").encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        assert told.read() == '"followed"'
    os.waitpid(child, 0)
    client._following._lock.release()
