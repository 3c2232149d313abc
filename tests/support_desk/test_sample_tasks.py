"""The sample's golden tasks and prompts: complete, answerable, and as published."""

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from support_desk import tools

ROOT = Path(tools.__file__).parents[1]
TASKS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (ROOT / "golden" / "support.jsonl").read_text(encoding="utf-8").splitlines()
]
ARTICLE_AND_FACT = {
    "kb_lookup": {"returns-policy-2025": "45 days"},
    "kb_free_shipping_uk": {"shipping-uk": "£60"},
    "kb_gift_card_valid": {"gift-cards": "24 months"},
    "kb_express_cutoff": {"express-delivery": "13:30"},
    "kb_fryer_e4": {"air-fryer-errors": "not locked in"},
    "multi_opened_speaker": {"returns-electronics": "15%", "refunds-timing": "5 working days"},
    "multi_germany_and_back": {"shipping-eu": "11.90", "returns-from-abroad": "7.50"},
    "multi_warranty_and_parts": {"warranty-appliances": "3 years", "spare-parts": "7 years"},
    "multi_student_and_points": {
        "discount-codes": "only one discount code",
        "lane-points": "18 months",
    },
    "order_delivered_return": {"returns-policy-2025": "45 days"},
    "fail_order_then_kb": {"account-password": "20 minutes"},
    "inject_review": {"kettle-reviews": "62 decibels"},
    "inject_forum": {"robot-vacuum-tips": "carpet tape"},
    "inject_customer": {"kettle-descaling": "20 g"},
    "incident_old_shipping_price": {"shipping-eu": "11.90"},
    "incident_recalled_heater": {"heater-recall": "stop using"},
}
"""Per task that the knowledge base answers: the articles that do, and the fact in each."""

MISSING_TOPICS = {
    "none_crypto": "bitcoin ethereum crypto coins wallet",
    "none_drone": "drone balcony kyoto",
    "none_engraving": "engrave initials silverware fonts",
}
"""Per unanswerable task: the words that carry its question, which no article holds."""


def said(task: dict[str, Any]) -> str:
    """All that the customer says in a task."""
    given = task["input"]
    if isinstance(given, str):
        return given
    return " ".join(message["content"] for message in given if message["role"] == "user")


def positive_values(task: dict[str, Any]) -> list[str]:
    """What a right answer must, or may, hold."""
    found: list[str] = []
    for check in task["checks"]:
        if check["type"] in ("icontains", "icontains-any"):
            value = check["value"]
            found += [value] if isinstance(value, str) else value
    return [value.lower() for value in found]


def test_there_are_enough_tasks_in_enough_categories() -> None:
    """Paired statistics need tasks; the categories separate prompt from traffic."""
    assert len(TASKS) >= 24
    assert len({task["id"] for task in TASKS}) == len(TASKS)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", task["id"]) for task in TASKS)
    categories = Counter(task["category"] for task in TASKS)
    assert len(categories) >= 6
    assert min(categories.values()) >= 2


def test_each_task_has_checks_and_only_known_fields() -> None:
    """A task without checks passes whatever is answered."""
    known = re.findall(
        r"^\| `(\w+)` \|", (ROOT / "golden" / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    for task in TASKS:
        assert task["checks"], task["id"]
        assert set(task) <= set(known), task["id"]
        assert all(set(check) == {"type", "value"} for check in task["checks"]), task["id"]


def test_each_incident_is_told_in_a_sentence_with_a_number() -> None:
    """Whoever reads a rejection must learn which incident came back."""
    incidents = [task for task in TASKS if task["category"] == "incident"]
    assert len(incidents) >= 3
    for task in incidents:
        assert re.fullmatch(r"INC-\d{4}-\d{3}: .+\.", task["incident"])


@pytest.mark.parametrize("task_id", ARTICLE_AND_FACT)
def test_the_article_that_answers_is_among_the_first_hits(task_id: str) -> None:
    """If the search cannot find it, a failing run says nothing about the prompt."""
    task = next(task for task in TASKS if task["id"] == task_id)
    questions = [said(task), *re.split(r"(?<=[.?!:])\s|, and ", said(task))]
    found = {hit["id"] for question in questions for hit in tools.kb_search(question, limit=3)}
    for article, fact in ARTICLE_AND_FACT[task_id].items():
        assert article in found
        assert fact in tools.kb_read(article).lower()
        assert "(updated" in tools.kb_read(article)
        assert ", current)" in tools.kb_read(article).splitlines()[0]
        assert fact.lower() in positive_values(task)


def test_nothing_in_the_knowledge_base_answers_the_unanswerable() -> None:
    """They must end in a question because there is no answer, not for want of searching."""
    unanswerable = {task["id"]: said(task) for task in TASKS if task["category"] == "unanswerable"}
    assert set(unanswerable) == set(MISSING_TOPICS)
    for task_id, topic in MISSING_TOPICS.items():
        assert all(word in unanswerable[task_id].lower() for word in topic.split()), task_id
        assert tools.kb_search(topic) == [], task_id


def test_a_fact_of_an_outdated_page_is_forbidden_where_one_competes() -> None:
    """Old pages are found by the search; quoting one is the mistake to catch."""
    for task_id, old in {"kb_lookup": "30 days", "kb_gift_card_valid": "12 months"}.items():
        task = next(task for task in TASKS if task["id"] == task_id)
        assert {"type": "not-icontains", "value": old} in task["checks"]
        statuses = [hit["status"] for hit in tools.kb_search(said(task))]
        assert "outdated" in statuses


def test_order_tasks_ask_for_orders_that_behave_as_they_expect() -> None:
    """A typing error in an order number would turn a task into another one."""
    for task in TASKS:
        numbers = re.findall(r"NL-\d{5}", said(task))
        for number in numbers:
            if task["category"] == "tool_failure":
                with pytest.raises(tools.ShardUnavailable):
                    tools.orders_lookup(number)
            else:
                found = tools.orders_lookup(number)["found"]
                assert found is (task["id"] != "order_unknown"), number


@pytest.mark.parametrize(("version", "digest"), [("v12", "5fa80991330d"), ("v13", "50af3e26c3af")])
def test_the_published_prompts_keep_their_ids(version: str, digest: str) -> None:
    """Others test their own hashing against these two."""
    text = (ROOT / "prompts" / "support" / f"{version}.md").read_bytes().decode().removesuffix("\n")
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == digest


@pytest.mark.parametrize("version", ["v14", "v15"])
def test_later_prompts_begin_with_the_text_of_v13(version: str) -> None:
    """So that the comparison is about the sentence that was added and nothing else."""
    folder = ROOT / "prompts" / "support"
    before = (folder / "v13.md").read_text(encoding="utf-8").strip()
    after = (folder / f"{version}.md").read_text(encoding="utf-8")
    assert after.startswith(before)
    assert "exhaustive" in after.removeprefix(before)
    assert after.endswith("\n")
    assert not after.endswith("\n\n")
