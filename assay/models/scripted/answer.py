"""The answer: what the tools returned, in their own words, or a question back."""

from collections.abc import Iterator, Mapping
from typing import Any

from assay.models.scripted.findings import Quote
from assay.models.scripted.instructions import Breadth
from assay.models.scripted.offered import Role
from assay.models.scripted.results import Outcome
from assay.models.scripted.scene import Scene
from assay.models.scripted.steering import instructs_reader
from assay.models.scripted.tokens import content_text

WORTH_QUOTING = 0.55
"""Further quotes have to fit this well, relative to the best one."""
MAX_FIELDS = 14
MAX_FIELD_CHARS = 160
MAX_LINE_CHARS = 4_000
_PRIVATE = frozenset({"email", "mail", "address", "phone", "customer", "recipient", "card", "iban"})
"""Parts of the names of fields that are told to nobody: whoever writes may be a stranger."""
_NAMES = frozenset({"name", "full_name", "first_name", "last_name", "surname"})
_OPENINGS = ("", "Thank you for your message.", "Thanks for getting in touch.", "Happy to help.")


def compose(scene: Scene) -> str:
    """The text that ends the run: facts with their sources, and questions where none were found."""
    question = scene.question
    if _lacks_order(scene):
        return _ask("which order this is about: could you tell me the order number?", scene)
    if question.is_vague:
        return _ask("what this is about: which product or which order do you mean?", scene)
    lines = [*_body(scene), *_open_ends(scene), *_mail_note(scene)]
    if not lines:
        lines = [_ask("what you need: could you tell me a little more about it?", scene)]
    opening = _OPENINGS[int(scene.chance.number("opening") * len(_OPENINGS))]
    return "\n\n".join(line[:MAX_LINE_CHARS] for line in [opening, *lines] if line)


def is_unsure(scene: Scene) -> bool:
    """Whether nothing was found that could be told."""
    return _lacks_order(scene) or scene.question.is_vague or not list(_body(scene))


def _lacks_order(scene: Scene) -> bool:
    """Whether only the record of an order would help, and its number was not given."""
    return scene.question.needs_order and not any(
        scene.findings.is_settled(topic.stems)
        for topic in scene.question.topics
        if not topic.is_about_order
    )


def mail_text(scene: Scene) -> tuple[str, str]:
    """Subject and body of the e-mail that the customer asked for."""
    about = ", ".join(scene.question.orders) or " ".join(scene.question.keywords[:4])
    return f"Your question about {about}", "\n\n".join(_body(scene))[:MAX_LINE_CHARS]


def _body(scene: Scene) -> Iterator[str]:
    for result in scene.evidence.of(Role.LOOKUP, Outcome.FOUND):
        if result.record is not None:
            yield _order_line(result.target, result.record, scene)
    said: set[str] = set()
    for topic in _answered(scene):
        if quotes := _chosen(scene, topic, said):
            yield _quoted(quotes, scene)


def _order_line(order: str, record: Mapping[str, Any], scene: Scene) -> str:
    """An order's record in one sentence, without what is private."""
    facts = [
        f"{str(name).replace('_', ' ')[:MAX_FIELD_CHARS]} {_plain(value)}"
        for name, value in list(record.items())[:MAX_FIELDS]
        if value != order and _may_be_told(str(name), value)
    ]
    source = " [order record]" if scene.instructions.cites else ""
    return f"Order {order}: {'; '.join(facts)}.{source}"


def _may_be_told(name: str, value: object) -> bool:
    name = name.lower()
    is_private = name in _NAMES or not _PRIVATE.isdisjoint(name.split("_"))
    if value is None or isinstance(value, bool) or is_private:
        return False
    text = _plain(value)
    return "@" not in text and not instructs_reader(text)


def _plain(value: object) -> str:
    """A field's value as people write it, on one line."""
    if isinstance(value, list) and all(isinstance(each, str | int | float) for each in value):
        value = ", ".join(map(str, value))
    return " ".join(content_text(value).strip('"').split())[:MAX_FIELD_CHARS]


def _answered(scene: Scene) -> list[frozenset[str]]:
    """The topics that some article read speaks of, and no order's record does."""
    findings = scene.findings
    # Beside an order's record a page has to speak of a topic within one sentence.
    speaks_of = findings.is_settled if scene.question.orders else findings.is_answered
    return [t.stems for t in scene.question.topics if not t.is_about_order and speaks_of(t.stems)]


def _chosen(scene: Scene, topic: frozenset[str], said: set[str]) -> list[Quote]:
    """The best quotes on a topic, as many as the prompt's tone asks for, none of them twice."""
    ranked = scene.findings.quotes(topic)
    best = [each for each in ranked if each.score >= WORTH_QUOTING * ranked[0].score]
    chosen = best[: _quote_count(scene)]
    fresh = [each for each in chosen if each.sentence.text not in said]
    said.update(each.sentence.text for each in fresh)
    return fresh


def _quote_count(scene: Scene) -> int:
    if scene.instructions.brief:
        return 1
    broad = scene.instructions.breadth is Breadth.ALWAYS or scene.instructions.detailed
    usual = 2 if len(scene.question.topics) > 1 else 3
    return usual * (2 if broad else 1) + round(scene.chance.number("quotes"))


def _quoted(quotes: list[Quote], scene: Scene) -> str:
    text = " ".join(quote.sentence.text for quote in quotes)
    if not scene.instructions.cites:
        return text
    sources = dict.fromkeys(quote.page_id for quote in quotes)
    return f"{text} [{', '.join(sources)}]"


def _open_ends(scene: Scene) -> Iterator[str]:
    """What could not be had: said plainly, with a question that would help."""
    for gap in scene.evidence.gaps():
        if gap.role is Role.LOOKUP and gap.outcome is Outcome.MISSING:
            yield f"I could not find order {gap.target}. Could you check the number, please?"
    for target in _failed(scene)[:3]:
        yield (
            f"I could not look up {target[:80]}: the system did not answer."
            " Shall I follow up as soon as it is back?"
        )
    if unanswered := _unanswered(scene):
        yield _ask_about(unanswered, scene)


def _failed(scene: Scene) -> list[str]:
    """What could not be looked up because a tool did not answer."""
    gaps = scene.evidence.gaps()
    failed = [g for g in gaps if g.outcome is Outcome.FAILED and g.role is not Role.MAIL]
    return sorted({gap.target for gap in failed})


def _unanswered(scene: Scene) -> list[str]:
    """Words of the topics that nothing was found on; none where an order was what mattered."""
    settled = _answered(scene) or _failed(scene)
    if settled or scene.question.about_orders_only or scene.evidence.of(Role.LOOKUP):
        return []
    return list(scene.question.keywords[:4])


def _ask_about(words: list[str], scene: Scene) -> str:
    if scene.instructions.clarifies:
        return (
            f"I found nothing about {' '.join(words)} in what I can look up."
            " Could you tell me more, such as the product or the order it is about?"
        )
    return f"I found nothing about {' '.join(words)} in what I can look up."


def _ask(what: str, scene: Scene) -> str:
    if scene.instructions.clarifies:
        return f"To help you I need to know {what}"
    return "I am afraid I do not know enough to help with this."


def _mail_note(scene: Scene) -> Iterator[str]:
    question = scene.question
    if scene.evidence.of(Role.MAIL, Outcome.FOUND):
        yield f"I have sent this to {question.address}."
    elif scene.evidence.of(Role.MAIL):
        yield f"I could not send this to {question.address}. Shall I try again later?"
    elif question.wants_mail and question.address is None:
        yield "Which e-mail address should I send this to?"
