"""The order table, the outbox, and all tools at once from several threads."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai import ModelRetry, RunContext
from pydantic_ai.models.test import TestModel
from pydantic_ai.usage import RunUsage

from assay.records import RunKey, RunScope
from support_desk import tools


def context(folder: Path, *, repeat: int = 1) -> RunContext[RunScope]:
    """What a tool is handed in run number `repeat`."""
    key = RunKey(
        evaluation_id="e1",
        prompt_id="support:v13:50af3e26c3af",
        golden_task_id="kb_lookup",
        repeat=repeat,
        seed=0,
    )
    scope = RunScope(key=key, folder=folder)
    return RunContext(deps=scope, model=TestModel(), usage=RunUsage())


def send(ctx: RunContext[RunScope], *, key: str, body: str = "It is on its way.") -> str:
    """Send a message and return the status."""
    sent = tools.send_email(ctx, "mara@example.com", "Your order", body, key)
    assert sent["key"] == key
    return sent["status"]


def outbox(folder: Path) -> list[Path]:
    """All that lies in the outbox, drafts included."""
    return sorted((folder / "outbox").iterdir())


def test_the_tools_bear_the_names_of_the_configuration_and_describe_every_argument() -> None:
    """A model knows a tool by its schema only."""
    assert [tool.name for tool in tools.TOOLS] == [
        "kb.search",
        "kb.read",
        "orders.lookup",
        "send_email",
    ]
    for tool in tools.TOOLS:
        assert tool.description
        properties = tool.function_schema.json_schema["properties"]
        assert "ctx" not in properties
        assert all(argument["description"] for argument in properties.values())


def test_there_are_at_least_forty_orders_of_people_who_do_not_exist() -> None:
    """A sample with a real address in it would be a leak."""
    rows = tools._rows("SELECT order_id, customer_email FROM orders")
    assert len(rows) >= 40
    for row in rows:
        assert row["customer_email"].endswith(("@example.com", ".test"))


def test_an_order_is_found_however_its_number_is_typed() -> None:
    """Customers type numbers in lower case and with spaces around them."""
    order = tools.orders_lookup(" nl-10083 ")
    assert order["found"] is True
    assert (order["status"], order["expected_delivery"]) == ("in transit", "2025-12-02")
    assert "shard" not in order


def test_an_unknown_order_is_an_answer_and_not_an_error() -> None:
    """The agent must be able to ask for the right number."""
    assert tools.orders_lookup("NL-90909") == {"found": False, "order_id": "NL-90909"}


def test_the_archive_of_old_orders_fails() -> None:
    """The golden tasks of tool_failure need a tool that really fails."""
    with pytest.raises(tools.ShardUnavailable, match="did not answer"):
        tools.orders_lookup("NL-04217")


def test_an_email_is_written_as_it_was_sent(tmp_path: Path) -> None:
    """The outbox is what a person looks at to see what customers were told."""
    ctx = context(tmp_path)
    assert send(ctx, key="status", body="Ünterwegs 🚚") == "sent"
    (file,) = outbox(tmp_path)
    message = json.loads(file.read_text(encoding="utf-8"))
    assert message["to"] == "mara@example.com"
    assert message["body"] == "Ünterwegs 🚚"
    assert message["run_id"] == ctx.deps.key.run_id


def test_the_same_key_sends_once_and_says_so(tmp_path: Path) -> None:
    """A resumed or confused run repeats itself; the customer must not notice."""
    ctx = context(tmp_path)
    assert send(ctx, key="status", body="first") == "sent"
    assert send(ctx, key="status", body="second") == "already sent"
    (file,) = outbox(tmp_path)
    assert json.loads(file.read_text())["body"] == "first"


def test_another_key_or_another_run_sends_again(tmp_path: Path) -> None:
    """Idempotency must not swallow a message that is not a repeat."""
    assert send(context(tmp_path), key="status") == "sent"
    assert send(context(tmp_path), key="apology") == "sent"
    assert send(context(tmp_path, repeat=2), key="status") == "sent"
    assert len(outbox(tmp_path)) == 3


def test_of_many_threads_with_one_key_exactly_one_sends(tmp_path: Path) -> None:
    """Tools are called from a pool of threads; two checks must not both see `not sent`."""
    ctx = context(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda number: send(ctx, key=f"k{number % 10}"), range(200)))
    assert said.count("sent") == 10
    assert said.count("already sent") == 190
    assert len(outbox(tmp_path)) == 10


@given(key=st.text(max_size=300))
def test_any_key_stays_inside_the_outbox(
    tmp_path_factory: pytest.TempPathFactory, key: str
) -> None:
    """A key is a model's text: `../../x` or a thousand letters must not become a path."""
    folder = tmp_path_factory.mktemp("run")
    assert send(context(folder), key=key) == "sent"
    assert [path.name for path in folder.iterdir()] == ["outbox"]
    (file,) = outbox(folder)
    assert json.loads(file.read_text())["key"] == key


@pytest.mark.parametrize("address", ["", "mara", "mara@", "a@b.test, c@d.test", "a b@c.test"])
def test_only_one_whole_address_is_written_to(tmp_path: Path, address: str) -> None:
    """Several receivers in one field are how addresses leak."""
    with pytest.raises(ModelRetry, match="not an e-mail address"):
        tools.send_email(context(tmp_path), address, "subject", "body", "key")
    assert not (tmp_path / "outbox").exists()


def test_threads_share_the_desk_without_mixing_up_their_answers() -> None:
    """One SQLite connection serves all threads: a race would hand out another's rows."""
    orders = ["NL-10083", "NL-10055", "NL-10059", "NL-10029"]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(tools.orders_lookup, orders * 100))
        hits = list(pool.map(tools.kb_search, ["returns policy", "cast iron pan"] * 100))
    assert [order["order_id"] for order in found] == orders * 100
    assert {hit[0]["id"] for hit in hits[1::2]} == {"cast-iron-care"}
    assert all(hit == hits[0] for hit in hits[::2])
