"""The simulation's token counts: an estimate, but the same one every time."""

import weakref

from hypothesis import given
from hypothesis import strategies as st

from assay.models.scripted.once import Once
from assay.models.scripted.tokens import content_text, text_tokens


@given(st.text(max_size=300), st.text(max_size=300))
def test_more_text_is_never_fewer_tokens(text: str, more: str) -> None:
    """A longer prompt that looks cheaper would be promoted for it."""
    assert text_tokens(text + more) >= text_tokens(text)


def test_four_bytes_of_english_are_about_a_token() -> None:
    """Budgets in golden tasks are written with real tokenizers in mind."""
    assert text_tokens("") == 0
    assert text_tokens("The warranty on a lamp is three years.") in range(8, 12)


def test_what_cannot_be_written_as_json_still_counts() -> None:
    """A tool of the user's may return anything; counting it must not end the run."""
    endless: list[object] = []
    endless.append(endless)
    for odd in (endless, ["\ud800"], object(), float("nan"), {1: {2}}):
        assert text_tokens(content_text(odd)) > 0
    assert text_tokens("\ud800") == 1


class _Counted:
    """An object that can be watched."""


def test_a_counted_object_is_held_on_to() -> None:
    """A freed object's identity is given to the next one, which would inherit its count."""
    once = Once(id)
    item = _Counted()
    once(item)
    watched = weakref.ref(item)
    del item
    assert watched() is not None
