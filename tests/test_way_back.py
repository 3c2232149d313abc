"""Where a rollback leads: one step back, to a version that stood before, never in circles."""

from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from assay.history import FORCE, PROMOTE, ROLLBACK, Cause, Entry
from assay.pointers import Pointers
from assay.way_back import good_before, rollback_target

AT = datetime(2026, 1, 2, tzinfo=UTC)


def entry(action: str, before: Pointers, after: Pointers) -> Entry:
    return Entry(
        cause=Cause(action=action, who="ana@desk", at=AT, reason="why"),
        config="assay.yaml",
        before=before,
        after=after,
        config_sha256_before="0",
        config_sha256_after="1",
    )


def pointing(active: str, rollback: str) -> Pointers:
    return Pointers(active=active, rollback=rollback)


def play(start: Pointers, steps: str) -> list[Pointers]:
    """The pointers after each step: `+v14` promotes, `!v14` is forced, `-` rolls back."""
    states: list[Pointers] = [start]
    entries: list[Entry] = []
    for step in steps.split():
        here = states[-1]
        if step == "-":
            there, action = rollback_target(here, tuple(entries)), ROLLBACK
        else:
            there, action = here.promoting(step[1:]), PROMOTE if step[0] == "+" else FORCE
        if there != here:
            entries.append(entry(action, here, there))
        states.append(there)
    return states


START = pointing("v13", "v12")


def test_a_rollback_undoes_the_last_promote() -> None:
    """The pointers are then what they were before it."""
    assert play(START, "+v14 -")[-1] == START


def test_a_second_rollback_changes_nothing() -> None:
    """Two people on call type it; a nervous one types it twice."""
    assert play(START, "+v14 +v15 - - -")[-1] == pointing("v14", "v13")


def test_a_rollback_of_the_next_promote_goes_back_again() -> None:
    """The history of the first must not make the second a repetition."""
    assert play(START, "+v14 - +v15 -")[-1] == START


def test_without_a_history_the_version_is_its_own_way_back() -> None:
    """A new workspace, or pointers set by hand: better nowhere than back to the fault."""
    assert play(START, "-")[-1] == pointing("v12", "v12")


def test_a_version_that_is_its_own_way_back_stays() -> None:
    """There is nowhere to go; that is no error."""
    assert play(pointing("v12", "v12"), "-")[-1] == pointing("v12", "v12")


def test_the_way_back_passes_over_a_version_that_was_rolled_back_from() -> None:
    """v14 failed once; if v13 fails as well, v14 is no refuge."""
    history = (
        entry(PROMOTE, START, pointing("v14", "v13")),
        entry(ROLLBACK, pointing("v14", "v13"), START),
        entry(FORCE, START, pointing("v15", "v14")),  # edited: v14 put behind v15
        entry(PROMOTE, pointing("v15", "v14"), pointing("v16", "v15")),
    )
    assert rollback_target(pointing("v16", "v15"), history) == pointing("v15", "v13")


def test_a_version_promoted_again_is_good_again() -> None:
    """The last word on a version counts: it may have been taken back in error."""
    assert play(START, "+v14 - +v14 +v15 +v16 -")[-1] == pointing("v15", "v14")
    assert play(START, "+v14 - +v14 - +v15 -")[-1] == START


def test_versions_that_stand_behind_each_other_end_the_search() -> None:
    """A history with a circle in it must not hang a rollback."""
    history = (
        entry(FORCE, pointing("a", "b"), pointing("b", "a")),
        entry(ROLLBACK, pointing("b", "a"), pointing("c", "b")),
        entry(ROLLBACK, pointing("a", "b"), pointing("c", "b")),
    )
    assert good_before("c", left="x", entries=history) == "c"


versions = st.sampled_from(["v1", "v2", "v3", "v4"])
steps = st.lists(
    st.one_of(st.just("-"), st.builds("".join, st.tuples(st.sampled_from(["+", "!"]), versions))),
    max_size=12,
)


@settings(deadline=None)
@given(versions, versions, steps)
def test_no_rollback_ever_leads_back_to_the_version_it_left(
    active: str, rollback: str, steps: list[str]
) -> None:
    """Neither at once nor, done once more, by way of the new pointer."""
    states = play(pointing(active, rollback), " ".join(steps))
    for step, (before, after) in zip(steps, pairwise(states), strict=True):
        if step == "-" and before != after:
            assert after.active == before.rollback
            assert before.active not in (after.active, after.rollback)
