"""Tools' names as providers take them: allowed, different, and the same next time."""

import re

from hypothesis import given
from hypothesis import strategies as st

from assay.wire_names import wire_names

ODD = st.text(st.sampled_from("ab._-/ é"), max_size=4)
NAMES = st.lists(
    ODD | st.text(max_size=80) | st.text(st.sampled_from("a.b_"), min_size=60, max_size=70),
    max_size=12,
)


@given(NAMES, st.data())
def test_wire_names_are_allowed_different_and_do_not_hang_on_the_order(
    names: list[str], data: st.DataObject
) -> None:
    """Two tools under one name would mean that a model's call reaches the wrong one."""
    wires = wire_names(names)
    assert set(wires) == set(names)
    assert len(set(wires.values())) == len(wires)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", wire) for wire in wires.values())
    assert wire_names(data.draw(st.permutations(names))) == wires


@given(NAMES, NAMES)
def test_names_that_are_taken_are_not_given_again(names: list[str], others: list[str]) -> None:
    """A tool that is not offered must not bear an offered one's name."""
    taken = set(wire_names(others).values())
    assert taken.isdisjoint(wire_names(names, taken=taken).values())


def test_a_name_that_providers_take_stays_and_the_one_that_would_become_it_steps_aside() -> None:
    """Prompts and fixtures name tools: the fewest possible names may change."""
    wires = wire_names(["kb.search", "kb_search", "kb.read"])
    assert wires["kb_search"] == "kb_search"
    assert wires["kb.read"] == "kb_read"
    assert wires["kb.search"] == "kb_search_ae9056b0"  # for ever: recorded calls say so
    assert wire_names(["kb.search"]) == {"kb.search": "kb_search"}


def test_of_two_long_names_with_one_beginning_each_keeps_a_name_of_its_own() -> None:
    """Servers with long names cut at 64 characters would else offer one tool twice."""
    long = "warehouse." + "x" * 60
    wires = wire_names([f"{long}.read", f"{long}.write"])
    assert len(set(wires.values())) == 2
    assert wire_names([f"{long}.read"])[f"{long}.read"] == wires[f"{long}.read"]
