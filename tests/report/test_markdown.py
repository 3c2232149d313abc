"""A decision's page in Prefect's UI, whatever it is made of."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from syrupy.assertion import SnapshotAssertion

from assay.decision import Decision, Outcome
from assay.decision.document import Switched
from assay.report.escaping import markdown_text, plain_cell
from assay.report.markdown import outcome_markdown
from tests.report.decided import incident, promotion, ranking, told

PICTURE = re.compile(r"base64,[^)]+")

DANGEROUS = [
    "`", "```", "\\", "|", "\\|", "*", "_", "~~", "#", "[", "]", "](", ")", "!", "![a](b)", "[^1]",
    "<", ">", "<img src=x>", "<!--", "-->", "</script>", "&lt;", "&#60;", "&", ";", "\n", "\r\n",
    "\n\n", "\n# ", "\n---\n", "\n```\n", "- ", "1. ", "+ ", "> ", "    ", "\t", "=", ":", "-",
    "http://a.bc", "https://a.bc/d", "HTTP://", "www.a.bc", "www", "a@b.cd", "mailto:a@b.cd",
    "xmpp:a@b.cd", "javascript:x", "data:", "\u202e", "\u200b", "\x00", "\x1b[31m", " ", "a", "é",
]  # fmt: skip
HOSTILE = st.lists(st.sampled_from(DANGEROUS) | st.characters(), min_size=1).map("".join)

# What GitHub's flavour makes links of once Markdown is parsed; as mdast-util-gfm-autolink-literal.
ADDRESS = re.compile(r"(?i)https?://|www\.|[-.\w+]@[-\w]+\.")

READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def page(outcome: Outcome) -> str:
    """The page without its picture's bytes."""
    return PICTURE.sub("base64,...", outcome_markdown(outcome))


def flat(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from flat(token.children or [])


def structure(markdown: str) -> list[str]:
    """Everything that Markdown's readers make of it but the text."""
    found = ((token.type, token.tag) for token in flat(READER.parse(markdown)))
    return [f"{kind} {tag}" for kind, tag in found if kind not in ("text", "text_special")]


def text_of(markdown: str) -> str:
    tokens = flat(READER.parse(markdown))
    return "".join(token.content for token in tokens if token.type in ("text", "text_special"))


def test_a_rejection_begins_with_the_verdict(snapshot: SnapshotAssertion) -> None:
    """The run's page is read from the top, at night."""
    assert page(incident()) == snapshot


def test_a_promotion_says_how_to_switch_or_what_was_switched(snapshot: SnapshotAssertion) -> None:
    """What to do next is one command, copied from the page."""
    decision = promotion()
    assert page(decision) == snapshot
    switched = Switched(before="support:v13", after="support:v14")
    done = page(decision.model_copy(update={"switched": switched}))
    assert "**Production:** switched from support:v13 to support:v14" in done
    assert "To switch" not in done


def test_of_several_candidates_the_ranking_comes_first(snapshot: SnapshotAssertion) -> None:
    """Which is best is the question that was asked."""
    assert page(ranking(incident(), promotion())) == snapshot


PAGES = [incident(), ranking(incident(), promotion())]


@pytest.mark.parametrize("outcome", PAGES, ids=["one", "several"])
@given(text=HOSTILE)
@example(text="a.b@")  # what stands after a text may make an address of it
def test_no_text_from_outside_changes_what_the_page_is_made_of(outcome: Outcome, text: str) -> None:
    """A task's name or a model's output must add no link, picture, HTML, table row or heading."""

    def with_text(text: str) -> str:
        if isinstance(outcome, Decision):
            return outcome_markdown(told(outcome, text))
        return outcome_markdown(ranking(*(told(each, text) for each in outcome.decisions)))

    made = with_text(text)
    assert structure(made) == structure(with_text("benign"))
    assert len(made) < 100_000
    assert not ADDRESS.search(text_of(PICTURE.sub("", made)))


@given(text=HOSTILE)
def test_the_page_shows_the_text_as_it_is(text: str) -> None:
    """Made harmless must not mean made unreadable: all that is added cannot be seen."""
    clean = "".join(char if char.isprintable() else "?" for char in text)
    escaped = markdown_text(text, max_chars=10_000)
    assert text_of(f"x{escaped}x").replace("\u200b", "") == f"x{clean}x"
    assert structure(f"x{escaped}x") == structure("x")


@given(text=HOSTILE)
def test_a_cell_of_a_table_artifact_is_harmless_where_the_ui_takes_it_for_markdown(
    text: str,
) -> None:
    """The older UI does, and would load a picture from a stranger's server."""
    cell = plain_cell(text, max_chars=10_000)
    kinds = " ".join(structure(cell))
    assert not any(harm in kinds for harm in ("link", "image", "html"))
    assert not ADDRESS.search(text_of(cell))
    assert cell.replace("\u200b", "") == "".join(c if c.isprintable() else "?" for c in text)


def test_long_texts_are_cut() -> None:
    """A model may write a megabyte, and Prefect's database keeps every page."""
    assert len(outcome_markdown(told(incident(), "x" * 1_000_000))) < 30_000
