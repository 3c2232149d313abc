"""Arms that differ in more than their prompts are told apart from arms that are cut short."""

import pyarrow as pa

from assay.store.comparability import differences


def runs(*rows: tuple[str, str, str]) -> pa.Table:
    """Runs as (prompt, golden task, hash of the golden task)."""
    names = ("prompt_id", "golden_task_id", "golden_task_hash")
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def test_a_task_that_one_arm_has_no_run_of_is_not_a_difference() -> None:
    """A budget may end an evaluation between the two prompts of a task."""
    table = runs(("a", "t1", "x"), ("b", "t1", "x"), ("a", "t2", "y"))
    assert differences(table, baseline="a", candidate="b") == []


def test_a_task_whose_content_changed_between_the_arms_is_a_difference() -> None:
    """Then the prompts were asked different questions."""
    table = runs(("a", "t1", "x"), ("b", "t1", "z"), ("a", "t2", "y"), ("b", "t2", "y"))
    (found,) = differences(table, baseline="a", candidate="b")
    assert str(found) == "golden_task_hash: t1 (x) | t1 (z)"
