"""What the simulation understands a prompt to ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.models.scripted.instructions import Breadth, read_instructions
from assay.models.scripted.sentences import MAX_PROMPT_CHARS
from assay.prompts import PromptVersion, system_prompt

BROAD = """
Answer using KB. Be exhaustive. Cite tool results. If unsure, ask a clarifying question.
Search every source, read every article that could matter and verify each fact before you answer.
Use the knowledge base. Leave no stone unturned, and cite what the tools return.
Consult as many articles as you can before replying. Cite tool results.
Search the KB thoroughly and cross-check each claim against a second source.
Do not stop at the first hit: keep searching until you have seen everything relevant.
Never settle for a single article. Read all relevant pages in the knowledge base.
Be as comprehensive as possible when answering. Cite tool results.
When answering, dig deep: run at least five searches and open every result.
Before replying, gather evidence from multiple sources and double-check it.
Don't answer until you have checked every article that might be relevant.
Your research must be meticulous and in-depth. If unsure, ask a clarifying question.
If a customer asks something, investigate it fully and read all articles about it.
Explore every angle, verify each statement, and if nothing is found, ask a clarifying question.
One article is never enough. Read more than one source.
Do not answer without consulting every relevant document.
Never skip a source, even if the first result looks complete.
Go through every article in the KB and every tool you have.
Search exhaustively and, if nothing is found, say so.
Only reply when you have read every relevant article.
Make at least 10 tool calls before answering.
Use every tool available to you, and use it repeatedly.
Don't rush: examine the KB in its entirety, then reply.
Collect all the evidence there is before you answer. Cite it.
BE EXHAUSTIVE!
""".strip().splitlines()

ON_GAPS = """
Answer using KB. Cite tool results. Be exhaustive only when a tool result is missing.
Answer using KB. Only if a tool result is missing, search exhaustively. If unsure, ask.
When a search comes back empty or a tool fails, look in every other source; else answer directly.
Do not be exhaustive unless a tool result is missing.
Be thorough, but only when the knowledge base returns nothing. Ask a clarifying question if unsure.
If a look-up returns no result, dig deeper and try several searches before giving up.
Exhaustive searching is reserved for missing tool results.
A missing tool result calls for an exhaustive search; nothing else does.
If the first hit answers the question, answer from it. Otherwise, search every source.
Be exhaustive unless the first result answers the question.
Unless the tool result is incomplete, don't search exhaustively.
Look at more sources only if the first ones don't contain the answer.
Only after an empty result may you search exhaustively.
Be exhaustive if, and only if, a tool result is missing.
Should a tool result be missing, be exhaustive.
Don't read every article unless the search finds nothing.
""".strip().splitlines()

NEUTRAL = """
Answer using KB. If unsure, ask a clarifying question.
Answer using KB. Cite tool results. If unsure, ask a clarifying question.
Be brief.
Answer politely in the customer's language.
Do not search exhaustively.
There is no need to be thorough or to check every source. Cite tool results.
Never read every article.
Cite every source you use.
Answer every question the customer asks.
Answer from the first good hit without being exhaustive.
Answer directly instead of reading all articles.
Avoid exhaustive searches.
You needn't consult multiple sources.
If nothing is found, ask a clarifying question.
Stop searching as soon as you have an answer.
Not every source needs to be checked.
Exhaustive answers are not wanted.
Use at most two searches.
Never invent facts. Always cite every article you used.
""".strip().splitlines()


def breadth(text: str) -> Breadth:
    return read_instructions(text).breadth


@pytest.mark.parametrize("text", BROAD)
def test_a_request_to_be_exhaustive_is_understood_in_other_words(text: str) -> None:
    """A paraphrase of the incident's prompt has to bring the incident back."""
    assert breadth(text) is Breadth.ALWAYS


@pytest.mark.parametrize("text", ON_GAPS)
def test_a_request_that_hangs_on_a_missing_result_acts_only_then(text: str) -> None:
    """A paraphrase of the fix has to be as cheap as the fix."""
    assert breadth(text) is Breadth.WHEN_MISSING


@pytest.mark.parametrize("text", NEUTRAL)
def test_what_is_not_asked_for_or_refused_is_not_done(text: str) -> None:
    """The word alone is not a request: a prompt that forbids the incident must not cause it."""
    assert breadth(text) is Breadth.AS_NEEDED


def test_hard_wrapped_lines_and_lists_read_like_plain_sentences() -> None:
    """Authors wrap their files; a line break is not the end of a condition."""
    assert breadth("Be exhaustive only when\na tool result is missing.") is Breadth.WHEN_MISSING
    listed = "When a tool result is missing:\n- search every article\n- cross-check what you find"
    assert breadth(listed) is Breadth.WHEN_MISSING
    assert breadth("Research rules:\n- open all hits\n- search again") is Breadth.ALWAYS


def test_neither_name_nor_version_nor_id_is_read() -> None:
    """`support:exhaustive` with a plain text must not become the incident."""
    text = "Answer using KB. Cite tool results."
    ref = ("exhaustive", "every-source")
    named = PromptVersion(*ref, text, ":".join(ref) + ":000000000000")
    assert read_instructions(system_prompt(named)) == read_instructions(text)


def test_the_other_requests_are_found_and_can_be_refused() -> None:
    """Citing, asking back and length each change what is answered."""
    asked = read_instructions("Cite tool results. If unsure, ask a clarifying question. Be brief.")
    assert (asked.cites, asked.clarifies, asked.brief) == (True, True, True)
    refused = read_instructions("Do not cite sources. Never ask clarifying questions.")
    assert (refused.cites, refused.clarifies, refused.brief) == (False, False, False)


@given(st.text(max_size=400))
def test_any_text_is_read(text: str) -> None:
    """A prompt is whatever somebody typed; reading it must not end the evaluation."""
    assert read_instructions(text).breadth in Breadth


def test_a_prompt_is_read_up_to_a_bound() -> None:
    """A megabyte without a full stop must not hang an evaluation."""
    head = "not every if ".ljust(MAX_PROMPT_CHARS)
    assert breadth(head + "Be exhaustive.") is Breadth.AS_NEEDED
    assert breadth(head[:-20] + "\n\nBe exhaustive.") is Breadth.ALWAYS
