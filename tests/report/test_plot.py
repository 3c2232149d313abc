"""The gates as a picture."""

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from assay.report.plot import gates_plot
from tests.report.decided import incident, promotion, told

SVG = "{http://www.w3.org/2000/svg}"


def test_the_reference_incident_as_a_picture(snapshot: SnapshotAssertion) -> None:
    """It stands beside the decision for years: it changes on purpose only."""
    assert gates_plot([incident()]) == snapshot


def drawn(svg: str) -> list[tuple[str, dict[str, str]]]:
    return [
        (element.tag.removeprefix(SVG), element.attrib) for element in ET.fromstring(svg).iter()
    ]


def test_right_of_allowed_is_what_fails() -> None:
    """The picture and the table must not tell two stories, drops of success among them."""
    decision = incident()
    gated = [gate for gate in decision.gates if gate.margin is not None]
    texts = [element.text for element in ET.fromstring(gates_plot([decision])).iter(f"{SVG}text")]
    assert [text for text in texts if text in ("pass", "fail", "undecided")] == [
        gate.result for gate in gated
    ]
    lines = [found for tag, found in drawn(gates_plot([decision])) if tag == "line"]
    allowed = float(lines[1]["x1"])
    bars = [line for line in lines if line["stroke-width"] == "4"]
    for gate, bar in zip(gated, bars, strict=True):
        assert (float(bar["x1"]) > allowed) == (gate.result == "fail")
        assert (float(bar["x2"]) < allowed) == (gate.result == "pass")


@given(text=st.text())
def test_no_name_becomes_part_of_the_picture(text: str) -> None:
    """An SVG is HTML's cousin: a script in it runs where it is opened."""
    decisions = [incident(), promotion()]
    hostile = gates_plot([told(each, text + "</text><script>&") for each in decisions])
    assert drawn(hostile) == drawn(gates_plot(decisions))


def test_a_gate_that_allows_nothing_has_no_scale() -> None:
    """Where the baseline makes no tool calls at all, an evaluation must not end in a crash."""
    decision = incident()
    gates = tuple(gate.model_copy(update={"margin": 0.0}) for gate in decision.gates)
    pictured = gates_plot([decision.model_copy(update={"gates": gates})])
    assert not [tag for tag, _ in drawn(pictured) if tag == "circle"]
