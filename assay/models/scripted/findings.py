"""How well what was read answers the question: which sentences, and what is still open."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from assay.models.scripted import english
from assay.models.scripted.evidence import Evidence
from assay.models.scripted.pages import Hit, Page, Sentence
from assay.models.scripted.question import Question

PARAGRAPH_SHARE = 0.35
TITLE_SHARE = 0.5
STALE_FACTOR = 0.3
FIGURE_BONUS = 0.5
CONTEXT_SHARE = 0.3
"""What a word that is only told, not asked, counts for."""
ANSWERED_SHARE = 0.5
"""Share of a topic's weight that one article has to speak of to count as an answer."""
SETTLED_SHARE = 0.5
_ASKS_FIGURE = frozenset({"long", "much", "many", "when", "time", "days", "cost", "price", "fee"})


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence that may answer, and how well it fits."""

    page_id: str
    sentence: Sentence
    score: float


class Findings:
    """What the pages that were read have to say on a question.

    Args:
        question: What was asked.
        evidence: What was found so far.
        can_read: Whether articles can be read in full; else the excerpts have to do.
    """

    def __init__(self, question: Question, evidence: Evidence, *, can_read: bool) -> None:
        self.question = question
        self.hits = evidence.hits()
        self.pages = evidence.pages()
        if not can_read:
            self.pages |= {id_: hit.excerpt for id_, hit in self.hits.items()}
        asked = frozenset(english.words(question.text))
        self._figure_bonus = FIGURE_BONUS if asked & _ASKS_FIGURE else 0.0

    @cached_property
    def _weights(self) -> dict[str, float]:
        """Weight of each stem of the question: the fewer hits speak of it, the more it says."""
        texts = [hit.stems for hit in self.hits.values()]
        texts += [page.stems for page in self.pages.values()]
        return {
            stem: math.log(1.5 + len(texts) / (1 + sum(stem in text for text in texts)))
            for stem in self.question.stems
        }

    def weight(self, stems: Iterable[str]) -> float:
        """Together, how much of the question these stems speak of."""
        known = self._weights
        return sum([known[stem] for stem in stems if stem in known])

    def unread(self, topic: frozenset[str]) -> list[Hit]:
        """Hits not read yet that have to do with a topic, the most promising first."""
        left = [hit for hit in self.hits.values() if hit.id not in self.pages and topic & hit.stems]
        return sorted(left, key=lambda hit: self._fit(hit, topic), reverse=True)

    def _fit(self, hit: Hit, topic: frozenset[str]) -> float:
        """How promising a search result is for a topic."""
        context = self.question.stems - topic
        fit = (
            self.weight(topic & hit.stems)
            + TITLE_SHARE * self.weight(topic & hit.title_stems)
            + CONTEXT_SHARE * self.weight(context & hit.stems)
        )
        return fit * (STALE_FACTOR if hit.is_stale else 1.0)

    def is_answered(self, topic: frozenset[str]) -> bool:
        """Whether one article speaks of enough of a topic to answer from it."""
        enough = ANSWERED_SHARE * self.weight(topic)
        return any(self.weight(topic & page.stems) >= enough for page in self.pages.values())

    def is_settled(self, topic: frozenset[str]) -> bool:
        """Whether one sentence speaks of most of a topic: no further article is needed for it."""
        enough = SETTLED_SHARE * self.weight(topic)
        return any(
            self.weight(topic & sentence.stems) >= enough
            for page in self.pages.values()
            if not page.is_stale
            for sentence in page.sentences
        )

    def quotes(self, topic: frozenset[str]) -> list[Quote]:
        """Sentences of the pages read that fit a topic, the best first."""
        found = [
            Quote(page_id, sentence, score)
            for page_id, page in self.pages.items()
            for sentence in page.sentences
            if (score := self._score(sentence, page, topic)) > 0
        ]
        return sorted(found, key=lambda quote: quote.score, reverse=True)

    def _score(self, sentence: Sentence, page: Page, topic: frozenset[str]) -> float:
        own = topic & sentence.stems
        if not own and not topic & sentence.paragraph_stems:
            return 0.0
        score = (
            self.weight(own)
            + PARAGRAPH_SHARE * self.weight(topic & sentence.paragraph_stems - own)
            + TITLE_SHARE * self.weight(topic & page.title_stems)
            + CONTEXT_SHARE * self.weight(self.question.stems & sentence.stems - topic)
            + (self._figure_bonus if sentence.has_figure else 0.0)
        )
        return score * (STALE_FACTOR if page.is_stale else 1.0)
