"""The knowledge base is as untidy as a real one, and search answers whatever is asked."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai import ModelRetry

from support_desk import tools

ARTICLES = sorted((Path(tools.__file__).parent / "kb").glob("*.md"))
HOSTILE = [
    '"',
    '"" OR ""',
    "NEAR(returns, 5)",
    "title: returns",
    "body : *",
    "returns AND NOT (",
    "'; DROP TABLE kb; --",
    "* ^returns {a b}",
    "\x00returns\x00",
    "-returns +refund",
    "OR",
    "",
]


def _words(path: Path) -> int:
    return len(tools.read_article(path)["body"].split())


def test_there_are_at_least_forty_articles_of_several_even_paragraphs() -> None:
    """Token figures of the sample depend on how long an article is."""
    assert len(ARTICLES) >= 40
    for path in ARTICLES:
        assert len(tools.read_article(path)["body"].split("\n\n")) >= 3, path.name
        assert 120 <= _words(path) <= 220, path.name


def test_every_header_is_yaml_with_a_title_of_its_own() -> None:
    """Two articles under one title could not be told apart in a list of hits."""
    headers = [yaml.safe_load(path.read_text().split("---\n")[1]) for path in ARTICLES]
    assert len({header["title"] for header in headers}) == len(ARTICLES)
    assert {header["status"] for header in headers} == {"current", "outdated"}


def test_an_outdated_article_names_a_current_one_that_replaces_it() -> None:
    """An agent that finds the old page must be able to find the new one."""
    articles = {path.stem: tools.read_article(path) for path in ARTICLES}
    outdated = [article for article in articles.values() if article["status"] == "outdated"]
    assert len(outdated) >= 5
    for article in outdated:
        assert articles[article["superseded_by"]]["status"] == "current"
        assert article["superseded_by"] in tools.kb_read(article["id"]).splitlines()[0]


@given(st.text(max_size=200) | st.sampled_from(HOSTILE), st.integers(-3, 50))
def test_no_query_breaks_the_search(query: str, limit: int) -> None:
    """Customers and models type anything; FTS5 has a syntax of its own."""
    hits = tools.kb_search(query, limit)
    assert len(hits) <= tools.MAX_HITS
    for hit in hits:
        assert list(hit) == ["id", "title", "updated", "status", "snippet"]
        assert len(re.findall(r"\w+", hit["snippet"])) <= 2 * tools.SNIPPET_WORDS


def test_operators_in_a_query_are_only_words() -> None:
    """`NOT returns` must search for returns, not exclude them."""
    plain = tools.kb_search("returns policy")
    assert tools.kb_search('NOT "returns" AND (policy*') == plain
    assert plain


def test_a_better_match_comes_first() -> None:
    """bm25 is smaller for better matches; a wrong sign would turn the list round."""
    hits = tools.kb_search("season cast iron pan rust", limit=8)
    assert hits[0]["id"] == "cast-iron-care"
    assert tools.kb_search("season cast iron pan rust", limit=1) == hits[:1]


def test_a_topic_that_no_article_has_is_not_found() -> None:
    """Unanswerable golden tasks lean on it."""
    assert tools.kb_search("bitcoin ethereum") == []


def test_every_article_can_be_read_by_the_id_that_search_gives() -> None:
    """Search and read must speak of the same ids."""
    for path in ARTICLES:
        article = tools.read_article(path)
        assert path.stem in [hit["id"] for hit in tools.kb_search(article["title"], limit=8)]
        assert article["body"] in tools.kb_read(path.stem)


def test_an_unknown_article_is_told_to_the_model() -> None:
    """A made-up id is the model's mistake to mend, not a crash of the run."""
    with pytest.raises(ModelRetry, match="no article 'returns-policy-1999'"):
        tools.kb_read("returns-policy-1999")
