"""What to do next: look up, search, read, try again, mail, or answer.

Each rule looks at the evidence and either asks for tool calls or has nothing to
do; the first that asks decides the step. When none does, the run answers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from assay.models.scripted.answer import is_unsure, mail_text
from assay.models.scripted.instructions import Breadth
from assay.models.scripted.offered import Role
from assay.models.scripted.plan import Plan, plan_for
from assay.models.scripted.queries import fresh_queries, topic_queries
from assay.models.scripted.question import Topic
from assay.models.scripted.results import Outcome, Result
from assay.models.scripted.scene import Scene

MAX_STEPS = 12
MAX_CALLS = 24
ASKS_AT_ONCE_SHARE = 0.5
READS_UP_ON_ORDER_SHARE = 0.5
EXTRA_READS = 1
"""Articles read beyond the plan while none of those read speaks of what is asked."""
TRIES_AGAIN = 2
"""How often a run that is not asked for more reacts to missing results."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that is asked for."""

    name: str
    arguments: dict[str, Any]


def next_calls(scene: Scene) -> list[Call]:
    """The tool calls of the next step; none means that it is time to answer."""
    done = scene.evidence.results
    if not scene.tools or scene.evidence.step >= MAX_STEPS or len(done) >= MAX_CALLS:
        return []
    plan = plan_for(scene.question, scene.instructions, scene.chance)
    for rule in _RULES:
        if calls := list(rule(scene, plan)):
            return calls[: MAX_CALLS - len(done)]
    return []


def _look_up_orders(scene: Scene, plan: Plan) -> Iterator[Call]:
    """First the customer's own orders; a broad prompt searches at the same time."""
    if scene.evidence.results:
        return
    for order in scene.question.orders:
        yield from _call(scene, Role.LOOKUP, order)
    if scene.instructions.breadth is Breadth.ALWAYS:
        yield from _search(scene, plan)


def _mend_gaps(scene: Scene, plan: Plan) -> Iterator[Call]:
    """Something came back missing: vary, one thing after the other or all at once."""
    gaps = [each for each in scene.evidence.gaps() if each.role is not Role.MAIL]
    latest = max((each.step for each in scene.evidence.results), default=-1)
    reacted = {each.step for each in gaps}
    # Whoever varies several things at once has no need to come back for more.
    rounds = TRIES_AGAIN if scene.instructions.breadth is Breadth.AS_NEEDED else 1
    if not gaps or max(reacted) < latest or len(reacted) > rounds:
        return
    mends: list[Call] = []
    for call in (call for gap in gaps for call in _mend(scene, gap)):
        if call not in mends:  # two searches that found nothing call for the same new words
            mends.append(call)
    if scene.instructions.breadth is Breadth.AS_NEEDED:
        yield from mends[:1]
        return
    yield from mends
    if not scene.evidence.of(Role.SEARCH):
        yield from _search(scene, plan)


def _mend(scene: Scene, gap: Result) -> Iterator[Call]:
    tries = sum(each.target == gap.target for each in scene.evidence.of(gap.role))
    if gap.role is Role.SEARCH:
        broad = scene.instructions.breadth is not Breadth.AS_NEEDED
        yield from _queries(scene, count=2 if broad else 1)
    elif gap.outcome is Outcome.FAILED and tries < TRIES_AGAIN:
        yield from _call(scene, gap.role, gap.target)


def _search(scene: Scene, plan: Plan) -> Iterator[Call]:
    """The first searches, one for each thing asked; more at once when asked to be broad."""
    if scene.evidence.of(Role.SEARCH) or not _wants_search(scene):
        return
    if scene.instructions.breadth is Breadth.ALWAYS:
        yield from _queries(scene, count=plan.searches_at_once)
        return
    for query in topic_queries(scene.question)[: plan.searches_at_once]:
        yield from _call(scene, Role.SEARCH, query)


def _wants_search(scene: Scene) -> bool:
    if scene.instructions.breadth is Breadth.ALWAYS:
        return True
    if scene.question.is_vague:
        return not scene.chance.happens(ASKS_AT_ONCE_SHARE, "asks at once")
    if scene.question.about_orders_only:
        return scene.chance.happens(READS_UP_ON_ORDER_SHARE, "reads up on order")
    return True


def _read(scene: Scene, plan: Plan) -> Iterator[Call]:
    """The most promising articles, a few at once; beyond the plan while a topic is open."""
    findings = scene.findings
    tried = {each.target for each in scene.evidence.of(Role.READ)}
    open_topics = [t for t in scene.question.topics if not findings.is_settled(t.stems)]
    unanswered = [t for t in open_topics if not findings.is_answered(t.stems)]
    left = plan.reads - len(tried)
    if left <= 0 and unanswered and not scene.question.orders:
        left += EXTRA_READS
    wanted = min(left, plan.reads_at_once)
    fresh = [article for article in _worth_reading(scene, open_topics) if article not in tried]
    for article in fresh[: max(0, wanted)]:
        yield from _call(scene, Role.READ, article)


def _worth_reading(scene: Scene, open_topics: list[Topic]) -> list[str]:
    """Ids of articles: what replaces an outdated one, then the best hits of each topic in turn."""
    findings = scene.findings
    successors = [page.successor for page in findings.pages.values() if page.successor]
    topics = [*open_topics, *(t for t in scene.question.topics if t not in open_topics)]
    ranked = [[hit.id for hit in findings.unread(topic.stems)] for topic in topics]
    in_turn = [id_ for ids in zip_longest(*ranked) for id_ in ids if id_ is not None]
    return list(dict.fromkeys([*successors, *in_turn]))


def _search_more(scene: Scene, plan: Plan) -> Iterator[Call]:
    """The further searches that were planned."""
    done = len(scene.evidence.of(Role.SEARCH))
    if 0 < done < plan.searches and scene.findings.hits and not scene.question.is_vague:
        yield from _queries(scene, count=min(plan.searches - done, plan.searches_at_once))


def _mail(scene: Scene, plan: Plan) -> Iterator[Call]:
    """What the customer wants mailed, once, and only to the address they gave."""
    del plan
    tool = scene.tools.get(Role.MAIL)
    question = scene.question
    tried = scene.evidence.of(Role.MAIL)
    if tool is None or not question.wants_mail or question.address is None or is_unsure(scene):
        return
    if len(tried) < TRIES_AGAIN and not any(each.outcome is Outcome.FOUND for each in tried):
        subject, body = mail_text(scene)
        # The key hangs on the run and the request, not on the step: a repeat is the same mail.
        key = f"mail-{scene.chance.tag(question.address + question.text)}"
        yield Call(
            tool.name,
            tool.arguments(address=question.address, subject=subject, body=body, key=key),
        )


def _queries(scene: Scene, *, count: int) -> Iterator[Call]:
    made = [each.target for each in scene.evidence.of(Role.SEARCH)]
    for query in fresh_queries(scene.question, scene.findings, made=made, count=count):
        yield from _call(scene, Role.SEARCH, query)


def _call(scene: Scene, role: Role, target: str) -> Iterator[Call]:
    tool = scene.tools.get(role)
    if tool is not None:
        yield Call(tool.name, tool.arguments(target=target))


_RULES: tuple[Callable[[Scene, Plan], Iterator[Call]], ...] = (
    _look_up_orders,
    _mend_gaps,
    _search,
    _read,
    _search_more,
    _mail,
)
