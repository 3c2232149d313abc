"""Slack's text: nothing in it acts."""

import html

from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from assay.alerts.slack import escaped, message
from tests.alerts.samples import alert


@given(st.text(alphabet=st.sampled_from("a&<>@;🙂 ")), st.integers(min_value=1, max_value=60))
def test_an_escaped_text_is_bounded_and_reads_as_before(text: str, max_chars: int) -> None:
    """A cut within `&amp;` would show half an escape, or none where one is needed."""
    made = escaped(text, max_chars)
    assert len(made) <= max_chars
    assert "<" not in made
    assert ">" not in made
    read = html.unescape(made).replace("@\u200b", "@")
    if len(escaped(text)) <= max_chars:
        assert read == text
    else:
        assert read.endswith("…")
        assert text.startswith(read.removesuffix("…"))


def test_nobody_is_called_and_nothing_is_linked() -> None:
    """A prompt's output must not wake a whole channel."""
    made = message(alert(title="<!channel> <https://evil.example|the report> @here"))["text"]
    assert "<" not in made
    assert "@here" not in made


def test_what_slack_gets(snapshot: SnapshotAssertion) -> None:
    """Title first: it is all that a notification shows."""
    assert message(alert()) == snapshot
