"""As much English as the stand-in has: stop words, stems, synonyms and sentences."""

import re
from functools import lru_cache

MAX_WORD_CHARS = 40
STEM_CHARS = 7
_WORD = re.compile(r"\d+(?:[.,:]\d+)+|[^\W_]+(?:['\u2019-][^\W_]+)*")
_SENTENCE = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+")

_STOP_WORDS = """
    a about above actually after again all already also although always am an and any anyone
    anything are as ask asked asking at be because been before being best both but by bye can cant
    cannot could couldnt customer day dear did didnt do does doesnt doing done dont each either else
    even ever every exactly few first for from further get gets getting give given go goes going
    gone good got had hadnt has hasnt have havent having he hello help her here hers hey hi him his
    how however i id if ill im in into is isnt it its ive just keep kind know last let lets like
    look lot made make many may maybe me mean might mine more most much must my near need needs
    never new next no nor not nothing now of off often on once one only onto or other our ours out
    over own perhaps please put quite rather really regards said same saw say see seem seems shall
    she should since so some somebody someone something soon still such sure take tell than thank
    thanks that the their them then there these they thing things think this those though through
    till to today together told too try trying two under until up upon us use used using usually
    very via want wanted wants was we well went were what whats when where whether which while who
    whom whose why will wish with within without wont wonder wondering would wouldnt yes yet you
    your yours take takes took taken work works working anymore somehow hope ok okay add
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words that carry no topic."""

_SYNONYMS = """
refund reimburse reimbursement
shipping ship deliver delivery dispatch courier carrier parcel package shipment shipped
cost price fee expensive
defect defective broken faulty damaged broke cracked
cancel cancellation annul
exchange swap
discount voucher coupon promo promotion
invoice receipt bill
warranty guarantee
repair fix mend
clean wash
phone telephone
abroad international overseas
change modify edit amend alter
delete erase remove
late delayed delay
account profile login
pay payment paid
buy purchase bought
"""


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """A word's stem, its synonyms folded into one; crude, but the same on both sides.

    >>> stem("Refunds") == stem("reimbursed")
    True
    """
    root = _root(word)
    return _FOLDED.get(root, root)


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return [word[:MAX_WORD_CHARS] for word in _WORD.findall(text.lower().replace("\u2019", "'"))]


def keywords(text: str) -> list[str]:
    """The words of a text that carry its topic, each stem once, in order."""
    found: dict[str, str] = {}
    for word in words(text):
        plain = word.replace("'", "")
        if len(plain) > 1 and plain not in STOP_WORDS and word not in STOP_WORDS:
            found.setdefault(stem(word), word)
    return list(found.values())


@lru_cache(maxsize=4096)
def stems(text: str) -> frozenset[str]:
    """The stems of a text's keywords."""
    return frozenset(stem(word) for word in keywords(text))


def sentences(text: str) -> list[str]:
    """A text's sentences, one or more words each."""
    return [piece.strip() for piece in _SENTENCE.split(text) if piece and piece.strip()]


def _root(word: str) -> str:
    root = word.lower().removesuffix("'s").replace("'", "")
    for suffix, instead in (
        ("ations", ""),
        ("ation", ""),
        ("ments", ""),
        ("ment", ""),
        ("ings", ""),
        ("ing", ""),
        ("ies", "y"),
        ("ied", "y"),
        ("ed", ""),
        ("es", ""),
        ("s", ""),
        ("ly", ""),
    ):
        if root.endswith(suffix) and len(root) - len(suffix) >= 3 and not root.endswith("ss"):
            root = root.removesuffix(suffix) + instead
            break
    if len(root) > 3 and root[-1] == root[-2] and root[-1] not in "aeiousl":
        root = root[:-1]
    if len(root) > 3 and root[-1] in "ey":
        root = root[:-1]
    return root[:STEM_CHARS]


_FOLDED = {
    _root(word): _root(group.split()[0])
    for group in _SYNONYMS.strip().splitlines()
    for word in group.split()
}
