"""What to search for: the question from several angles, the best first."""

from collections.abc import Iterable, Iterator

from assay.models.scripted import english
from assay.models.scripted.findings import Findings
from assay.models.scripted.question import Question, Topic

MAX_QUERY_WORDS = 8
FULL_QUERY_WORDS = 5
"""A topic with fewer words of its own is searched for with what the message is about."""


def fresh_queries(
    question: Question, findings: Findings, *, made: Iterable[str], count: int
) -> list[str]:
    """Up to `count` queries that differ from each other and from those already made."""
    seen = {english.stems(query) for query in made}
    fresh: list[str] = []
    for words in _angles(question, findings):
        query = " ".join(words[:MAX_QUERY_WORDS])
        about = english.stems(query)
        if len(fresh) < count and about and about not in seen:
            seen.add(about)
            fresh.append(query)
    return fresh


def topic_queries(question: Question) -> list[str]:
    """One query for each thing that is asked."""
    return [" ".join(_with_context(topic, question)) for topic in question.topics]


def _angles(question: Question, findings: Findings) -> Iterator[list[str]]:
    for topic in question.topics:
        yield _with_context(topic, question)
    words = list(question.keywords)
    yield words
    by_weight = sorted(words, key=lambda word: findings.weight([english.stem(word)]), reverse=True)
    yield by_weight[:3]
    for hit in list(findings.hits.values())[:3]:
        yield english.keywords(hit.title)
    yield words[::2]
    yield words[1::2]
    for word in by_weight:
        yield [word]


def _with_context(topic: Topic, question: Question) -> list[str]:
    context = [word for word in question.keywords if english.stem(word) not in topic.stems]
    spare = max(0, FULL_QUERY_WORDS - len(topic.keywords))
    return [*topic.keywords[:MAX_QUERY_WORDS], *context[:spare]]
