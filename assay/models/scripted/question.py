"""What the customer wants: order numbers, addresses, topics, and how clear it is."""

import re
from dataclasses import dataclass
from functools import lru_cache

from assay.models.scripted import english
from assay.models.scripted.steering import instructs_reader

MAX_MESSAGE_CHARS = 6_000
MAX_KEYWORDS = 16
MAX_ORDERS = 4
MAX_TOPICS = 3
CLEAR_WORDS = 3
"""A message with fewer keywords leans on what was said before it."""

_ORDER = re.compile(r"\b(?:[A-Za-z]{2,4}-\d{4,}|[A-Z]{2,4}\d{4,})\b")
_NUMBERED_ORDER = re.compile(r"\border\W{0,2}(?:number|no|nr|id)?\W{0,3}(\d{4,})\b", re.IGNORECASE)
_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
_MAIL_VERB = re.compile(
    r"\b(?:send|forward|e-?mail|mail)\s+(?:me|it|us|him|her|them|this|that|these|those|a|an|the|my"
    r"|our|over|to|what|everything|your)\b|\b(?:send|forward|e-?mail|mail)\s+[\w.+-]+@",
    re.IGNORECASE,
)
_NOT_A_REQUEST = re.compile(
    r"\b(?:not|never|did|didn't|was|were|have|has|had|haven't|hasn't|when will|you'd|they|the|an"
    r"|by|via|per|don't)(?:\s+(?:you|you\s+ever|ever|also))?\s+$",
    re.IGNORECASE,
)
_OWN_ORDER = re.compile(
    r"\b(?:my|our) (?:[\w-]+ ){0,2}?(?:orders?|parcel|package|delivery|shipment"
    r"|purchase)\b",
    re.IGNORECASE,
)
_STATE_OF_ORDER = re.compile(
    r"\b(?:where(?:'s| is| are| has)|status|track|when (?:will|does|is|was|can)|arriv|shipped"
    r"|has (?:it|my)|cancel my|change my|what did i|how much did i|what was)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[?!;])\s*|(?<=\.)\s+|\n+")
_NEXT_TOPIC = re.compile(
    r",? and (?=(?:what|how|when|where|which|who|why|for how|after how|can|could|do|does|is|are"
    r"|will|if)\b)|, (?=(?:what|how|when|where|which|is there|are there)\b)",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\?|^\W*(?:also\W+)?(?:what|how|when|where|which|who|why|can|could|do|does|is|are|will|would"
    r"|please|tell|explain|i (?:need|want|would like|wonder))\b",
    re.IGNORECASE,
)
_IT = re.compile(r"\b(?:it|this|that|them|these|those|thing|stuff)\b", re.IGNORECASE)
VAGUE_WORDS = 1
_ORDER_STEMS = english.stems(
    "order status number parcel tracking arrive delivery expect expected supposed waiting happening"
    " update item items look find check details e-mail email send"
    " paid pay total back"
)


@dataclass(frozen=True, slots=True)
class Topic:
    """One thing that is asked."""

    keywords: tuple[str, ...]
    stems: frozenset[str]

    @property
    def is_about_order(self) -> bool:
        """Whether an order's record is all that it asks for."""
        return self.stems <= _ORDER_STEMS


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One customer's message, as far as it was understood."""

    text: str
    orders: tuple[str, ...]
    address: str | None
    """Where the customer wants something mailed to; None when none was given."""
    wants_mail: bool
    keywords: tuple[str, ...]
    """Words that carry the topic, in the customer's order; never the order numbers."""
    stems: frozenset[str]
    topics: tuple[Topic, ...]
    """Each single thing that is asked; what is only told is left out."""
    about_orders_only: bool
    """Says nothing that the records of the orders named would not answer."""
    needs_order: bool
    """Asks about an order of the customer's own, without a number."""
    is_vague: bool
    """Says `it` and hardly anything else: nobody could know what is meant."""


@lru_cache(maxsize=1024)
def read_question(said: tuple[str, ...]) -> Question:
    """Understand the last thing the customer said, with what came before it as context.

    Args:
        said: The customer's messages, oldest first; may be empty.
    """
    earlier = [_own_words(text) for text in said[:-1]]
    text = _own_words(said[-1]) if said else ""
    asked = english.keywords(_without_names(text))
    context = earlier if len(asked) < CLEAR_WORDS else []
    found = english.keywords(" ".join(map(_without_names, [*context, text])))[:MAX_KEYWORDS]
    orders = _orders(text) or _orders(" ".join(earlier))
    addresses = _ADDRESS.findall(text) or _ADDRESS.findall(" ".join(earlier))
    return Question(
        text=text,
        orders=orders,
        address=addresses[-1] if addresses else None,
        wants_mail=_wants_mail(text),
        keywords=tuple(found),
        stems=frozenset(map(english.stem, found)),
        topics=_topics(text, found) or ((_topic(found),) if found else ()),
        about_orders_only=bool(orders) and _topic(found).is_about_order,
        needs_order=not orders and _asks_about_own_order(text),
        is_vague=not orders and len(found) <= VAGUE_WORDS and _IT.search(text) is not None,
    )


def _own_words(text: str) -> str:
    """What the customer has to say, bounded; attempts to instruct the agent are left out."""
    if len(text) > MAX_MESSAGE_CHARS:
        text = f"{text[: MAX_MESSAGE_CHARS // 2]}\n{text[-MAX_MESSAGE_CHARS // 2 :]}"
    return " ".join(
        piece for piece in _SENTENCE_END.split(text) if piece and not instructs_reader(piece)
    )


def _without_names(text: str) -> str:
    return _ORDER.sub(" ", _NUMBERED_ORDER.sub(" order ", _ADDRESS.sub(" ", text)))


def _orders(text: str) -> tuple[str, ...]:
    plain = _ADDRESS.sub(" ", text)
    found = [*_ORDER.findall(plain), *_NUMBERED_ORDER.findall(plain)]
    return tuple(dict.fromkeys(number.upper() for number in found))[:MAX_ORDERS]


def _wants_mail(text: str) -> bool:
    return any(
        _NOT_A_REQUEST.search(text[max(0, found.start() - 24) : found.start()]) is None
        for found in _MAIL_VERB.finditer(text)
    )


def _asks_about_own_order(text: str) -> bool:
    return bool(_OWN_ORDER.search(text) and _STATE_OF_ORDER.search(text))


def _topics(text: str, context: list[str]) -> tuple[Topic, ...]:
    """What is asked; a question of a single word is understood from the rest of the message."""
    sentences = [each for each in _SENTENCE_END.split(text) if each]
    asking = [each for each in sentences if _ASKS.search(each.strip())] or sentences
    pieces = [piece for each in asking for piece in _NEXT_TOPIC.split(each)]
    found = [_topic(english.keywords(_without_names(piece))) for piece in pieces]
    full = [
        topic if len(topic.stems) > 1 else _topic([*topic.keywords, *context])
        for topic in found
        if topic.stems
    ]
    return tuple(dict.fromkeys(full))[:MAX_TOPICS]


def _topic(keywords: list[str]) -> Topic:
    words = tuple(dict.fromkeys(keywords))[:MAX_KEYWORDS]
    return Topic(words, frozenset(map(english.stem, words)))
