"""A decision as Prefect's UI shows it in tables."""

from syrupy.assertion import SnapshotAssertion

from assay.report.ui_tables import flip_rows, gate_rows
from tests.report.decided import incident, promotion, told


def test_gates_and_flips_as_tables(snapshot: SnapshotAssertion) -> None:
    """Scripts read artifacts too: columns change by addition only."""
    assert gate_rows(incident())[0] == snapshot
    assert flip_rows(incident()) == snapshot
    assert flip_rows(promotion()) == []


def test_no_text_from_outside_names_a_column_or_loads_a_picture() -> None:
    """A version called `gate` must not hide the gates."""
    hostile = told(incident(), "![gate](https://a.bc/d)")
    assert gate_rows(hostile)[0].keys() == gate_rows(incident())[0].keys()
    (flip,) = flip_rows(hostile)
    assert flip["golden task"].replace("\u200b", "|") == "!|[gate]|(https:|//a.bc/d)"
    assert flip["failed check"] == flip["run"] == flip["golden task"]
