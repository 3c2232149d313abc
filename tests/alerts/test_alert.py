"""What an alert may be made of, and what receivers are told of it."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from syrupy.assertion import SnapshotAssertion

from assay.alerts.alert import (
    MAX_FACTS,
    MAX_TEXT_CHARS,
    MAX_TITLE_CHARS,
    MAX_WORD_CHARS,
    Severity,
    as_json,
    as_text,
)
from assay.alerts.slack import MAX_MESSAGE_CHARS, message
from assay.receivers import AlertKind
from tests.alerts.samples import alert

ANY_TEXT = st.text() | st.text(alphabet="a\n\r\x1b\u202e\x00&<@🙂", max_size=5000)
ANY_FACT = st.text() | st.floats() | st.integers() | st.none()


@given(title=ANY_TEXT, text=ANY_TEXT, facts=st.dictionaries(st.text(), ANY_FACT, max_size=40))
def test_whatever_an_alert_is_made_of_it_is_bounded_and_harmless(
    title: str, text: str, facts: dict[str, str | float | int | None]
) -> None:
    """A model's output may stand in it, and it goes to terminals, headers and chats."""
    made = alert(title=title, text=text, facts=facts)
    assert len(made.title) <= MAX_TITLE_CHARS
    assert made.title.isprintable()
    assert len(made.text) <= MAX_TEXT_CHARS
    assert made.text.replace("\n", "").isprintable()
    assert len(made.facts) <= MAX_FACTS
    for name, value in made.facts.items():
        assert len(name) <= MAX_WORD_CHARS
        assert not isinstance(value, str) or len(value) <= MAX_WORD_CHARS
    json.dumps(as_json(made), allow_nan=False).encode()
    assert len(message(made)["text"]) <= MAX_MESSAGE_CHARS


def test_an_ordinary_text_stays_as_it_is() -> None:
    """Made harmless must not mean made unreadable."""
    made = alert(title="Größe: 日本 🙂", text="one\ntwo\n\nthree")
    assert (made.title, made.text) == ("Größe: 日本 🙂", "one\ntwo\n\nthree")


def test_the_id_is_the_matters_not_the_messages() -> None:
    """What is told again after a crash is the same alert; a new evaluation's is another."""
    first = alert()
    assert len(bytes.fromhex(first.id)) == 16
    again = alert(title="in other words", at=datetime(2027, 1, 1, tzinfo=UTC))
    assert again.id == first.id
    others = [alert(about="other"), alert(agent="other"), alert(kind=AlertKind.SWITCH)]
    assert len({first.id, *(other.id for other in others)}) == 4


def test_a_time_without_a_zone_is_refused() -> None:
    """A receiver on another continent could not tell when it was."""
    with pytest.raises(ValidationError):
        alert(at=datetime(2026, 1, 1))  # noqa: DTZ001 - it is what is refused


def test_only_what_may_hurt_users_now_is_critical() -> None:
    """A pager that rings for a rejected candidate is switched off."""
    critical = {kind for kind in AlertKind if alert(kind=kind).severity is Severity.CRITICAL}
    assert critical == {AlertKind.REGRESSION, AlertKind.CANARY}


def test_what_a_webhook_gets(snapshot: SnapshotAssertion) -> None:
    """Users' own programs read it: it changes by addition only."""
    assert as_json(alert()) == snapshot


def test_what_people_read(snapshot: SnapshotAssertion) -> None:
    """On a telephone, at night."""
    assert as_text(alert()) == snapshot
    assert as_text(alert(text="", facts={}, url=None)) == ""
