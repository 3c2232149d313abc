"""What a prompt's text asks for, read sentence by sentence.

Only the text counts: neither the version's name nor its id is looked at, so that
two prompts that ask for the same thing are answered in the same way.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from assay.models.scripted import lexicon
from assay.models.scripted.sentences import sentences_of

NEGATION_REACH_WORDS = 9
_OWN_CONDITION = re.compile(
    r",?\s(?:and|but|then|or)\s+(?=(?:if|when|whenever|where|unless|once|should|in case)\b)"
    r"|,\s*(?=(?:if|when)\b[^,]*,\s*(?:then )?(?:ask|say|tell|offer|reply|apolog|escalat))"
)
_CLAUSE_END = re.compile(r",|\b(?:so|so that|in order|to ensure|to make sure|because|but|then)\b")


class Breadth(StrEnum):
    """When the prompt wants more searching than the question needs."""

    AS_NEEDED = "as_needed"
    WHEN_MISSING = "when_missing"
    """Only after a tool result that is missing."""
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instructions:
    """What a prompt's text asks of the agent."""

    breadth: Breadth = Breadth.AS_NEEDED
    brief: bool = False
    detailed: bool = False
    frugal: bool = False
    cites: bool = False
    clarifies: bool = False


@lru_cache(maxsize=256)
def read_instructions(system_prompt: str) -> Instructions:
    """What the text below a system prompt's `[prompt_id=...]` line asks for.

    >>> read_instructions("Be exhaustive only when a tool result is missing.").breadth.value
    'when_missing'
    """
    sentences = tuple(sentences_of(system_prompt))
    return Instructions(
        breadth=_breadth(sentences),
        brief=any(_asks(lexicon.BRIEF, each) for each in sentences),
        detailed=any(_asks(lexicon.DETAILED, each) for each in sentences),
        frugal=any(_asks(lexicon.FRUGAL, each) for each in sentences),
        cites=any(_asks(lexicon.CITING, each) for each in sentences),
        clarifies=any(_asks(lexicon.CLARIFYING, each) for each in sentences),
    )


def _breadth(sentences: tuple[str, ...]) -> Breadth:
    """The widest request, unless a sentence confines being broad to missing results."""
    wanted = Breadth.AS_NEEDED
    confined = False
    under_gap = False
    for sentence in sentences:
        inherited = under_gap and lexicon.BACKWARD.match(sentence) is not None
        for part in _OWN_CONDITION.split(sentence):
            conditional = _depends_on_gap(part)
            found = _breadth_of(part, conditional=conditional or inherited)
            confined |= found is Breadth.WHEN_MISSING and lexicon.ONLY.search(part) is not None
            wanted = max(wanted, found, key=list(Breadth).index)
            under_gap = conditional or inherited or _mentions_condition_on_success(part)
    return Breadth.WHEN_MISSING if confined else wanted


def _breadth_of(part: str, *, conditional: bool) -> Breadth:
    negated_unless_gap = conditional and re.search(r"\bunless\b|\bexcept\b", part) is not None
    if not (_asks_breadth(part) or (negated_unless_gap and _mentions_breadth(part))):
        return Breadth.AS_NEEDED
    return Breadth.WHEN_MISSING if conditional else Breadth.ALWAYS


def _depends_on_gap(part: str) -> bool:
    """Whether a condition in this part is that something is missing or not enough."""
    if lexicon.GAP_FIRST.match(part):
        return True
    for condition in lexicon.CONDITION.finditer(part):
        clause = _clause_from(part, condition.end())
        if condition["word"] in lexicon.CONDITIONS_OF_LACK or lexicon.GAP.search(clause):
            return True
        if condition["word"] == "unless" and lexicon.ENOUGH.search(clause):
            return True
    return False


def _mentions_condition_on_success(part: str) -> bool:
    """Whether what follows under `otherwise` holds when something is missing."""
    opening = lexicon.CONDITION.match(part)
    if opening is None:
        return False
    return lexicon.ENOUGH.search(_clause_from(part, opening.end())) is not None


def _clause_from(part: str, start: int) -> str:
    """The condition's own clause: up to the next comma or conjunction."""
    end = _CLAUSE_END.search(part, start)
    return part[start : end.start() if end else len(part)]


def _asks_breadth(part: str) -> bool:
    return any(_is_affirmed(part, found) for found in _breadth_terms(part))


def _mentions_breadth(part: str) -> bool:
    return next(_breadth_terms(part), None) is not None


def _breadth_terms(part: str) -> Iterator[re.Match[str]]:
    yield from lexicon.BREADTH.finditer(part)
    for found in lexicon.EVERY_SOURCE.finditer(part):
        before = part[: found.start()]
        if lexicon.LOOKING.search(before) or (
            not lexicon.CITING.search(before) and lexicon.LOOKING.search(part)
        ):
            yield found


def _asks(pattern: re.Pattern[str], sentence: str) -> bool:
    return any(_is_affirmed(sentence, found) for found in pattern.finditer(sentence))


def _is_affirmed(sentence: str, found: re.Match[str]) -> bool:
    """Whether no negation reaches the words found: `never stop before ...` affirms."""
    clause = re.split(r"[,:]|\bbut\b", sentence[: found.start()])[-1]
    near = " ".join(clause.split()[-NEGATION_REACH_WORDS:])
    negations = list(lexicon.NEGATION.finditer(near))
    if not negations:
        return lexicon.NEGATION_AFTER.match(sentence[found.end() :]) is None
    return lexicon.REVERSAL.search(near, negations[0].end()) is not None
