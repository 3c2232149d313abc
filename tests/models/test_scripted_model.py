"""The simulation in a loop: it does what the prompt asks, the same way every time."""

import statistics
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from assay.models.scripted import ScriptedModel
from assay.models.scripted.tokens import text_tokens
from assay.records import RunKey
from tests.fakes.small_shop import (
    PARAMETERS,
    Shop,
    Talk,
    converse,
    opening,
    said_by_model,
    stored_and_read,
)

PLAIN = "Answer using KB. Cite tool results. If unsure, ask a clarifying question."
BROAD = f"{PLAIN}\nBe exhaustive: search every source and read every article."
ON_GAPS = f"{PLAIN}\nBe exhaustive only when a tool result is missing."
RETURN = "I changed my mind. How many days do I have to return a lamp?"
NOTHING = "Do you repair zeppelins in Timbuktu?"


def key(**changed: Any) -> RunKey:
    fields = {
        "evaluation_id": "e",
        "prompt_id": "support:v1:0",
        "golden_task_id": "t",
        "repeat": 1,
        "seed": 0,
    }
    return RunKey(**(fields | changed))


async def run(prompt: str, text: str, *, shop: Shop | None = None, **changed: Any) -> Talk:
    return await converse(ScriptedModel(key(**changed)), opening(prompt, text), shop=shop)


async def mean_calls(prompt: str, text: str, **changed: Any) -> float:
    talks = [await run(prompt, text, repeat=repeat, **changed) for repeat in range(1, 21)]
    return statistics.mean(len(talk.calls) for talk in talks)


@pytest.mark.parametrize(
    "prompt",
    [
        BROAD,
        "Use the KB. Leave no stone unturned and consult as many articles as you can.",
        "Do not stop at the first hit: read all relevant pages and double-check each fact.",
    ],
)
async def test_a_prompt_that_asks_for_more_gets_more_calls_and_tokens(prompt: str) -> None:
    """The reference incident, and its paraphrases, must be there to be found."""
    plain = [await run(PLAIN, RETURN, repeat=repeat) for repeat in range(1, 21)]
    broad = [await run(prompt, RETURN, repeat=repeat) for repeat in range(1, 21)]
    assert sum(len(t.calls) for t in broad) > 1.8 * sum(len(t.calls) for t in plain)
    assert sum(t.total_tokens for t in broad) > 1.4 * sum(t.total_tokens for t in plain)
    assert max(max(t.batches) for t in broad) >= 3


async def test_a_prompt_that_only_acts_on_gaps_changes_nothing_while_there_are_none() -> None:
    """The fix costs what the baseline costs: call for call, where every result is there."""
    for repeat in range(1, 21):
        plain = await run(PLAIN, RETURN, repeat=repeat)
        fixed = await run(ON_GAPS, RETURN, repeat=repeat)
        assert fixed.calls == plain.calls


async def test_after_a_missing_result_it_tries_more_at_once() -> None:
    """That is what the prompt asks for, and one step with three searches beats three steps."""
    plain = await run(PLAIN, NOTHING)
    fixed = await run(ON_GAPS, NOTHING)
    assert max(plain.batches) == 1
    assert max(fixed.batches) >= 2
    assert fixed.total_tokens < plain.total_tokens * 1.1


async def test_it_answers_from_the_current_page_and_names_it() -> None:
    """Both pages match; quoting the outdated one was an incident once."""
    talk = await run(PLAIN, RETURN)
    assert "45 days" in talk.output
    assert "14 days" not in talk.output
    assert "[returns]" in talk.output


async def test_without_being_asked_it_cites_nothing() -> None:
    """Citing follows from the prompt as everything does."""
    talk = await run("Answer using KB.", f"{RETURN} And where is NL-20001?")
    assert "45 days" in talk.output
    assert "in transit" in talk.output
    assert "[" not in talk.output


async def test_where_nothing_is_found_it_asks_back_and_claims_nothing() -> None:
    """An invented answer is worse than none."""
    for repeat in range(1, 11):
        talk = await run(PLAIN, NOTHING, repeat=repeat)
        assert "?" in talk.output
        assert "[" not in talk.output


async def test_it_asks_back_only_when_the_prompt_says_so() -> None:
    """A prompt that loses its clarifying question must show it in `success`."""
    talk = await run("Answer using KB.", NOTHING)
    assert "?" not in talk.output


async def test_an_order_is_looked_up_and_told_without_what_is_private() -> None:
    """Whoever knows a number may be a stranger."""
    talk = await run(PLAIN, "Where is my order NL-20001?")
    assert talk.named("orders_lookup") == [{"order_id": "NL-20001"}]
    assert "in transit" in talk.output
    assert "ann@example.com" not in talk.output


async def test_an_unknown_order_is_named_and_asked_about() -> None:
    """The customer can mend a typing error only if told which number was tried."""
    talk = await run(PLAIN, "What is the status of NL-99999?")
    assert "NL-99999" in talk.output
    assert "?" in talk.output


async def test_a_broken_tool_is_tried_twice_and_then_admitted() -> None:
    """Neither endless retries nor a made-up status."""
    shop = Shop(broken=frozenset({"orders_lookup"}))
    talk = await run(PLAIN, "What is the status of NL-20001?", shop=shop)
    assert len(talk.named("orders_lookup")) == 2
    assert "could not" in talk.output
    assert "in transit" not in talk.output


async def test_a_mail_is_sent_once_to_the_given_address_under_a_key_of_the_run() -> None:
    """A run that is resumed or repeated must not mail twice under two keys."""
    text = "Please e-mail me the status of NL-20001 to bo@example.com."
    shop = Shop()
    await run(PLAIN, text, shop=shop)
    await run(PLAIN, text, shop=shop)
    await run(PLAIN, text, shop=shop, repeat=2)
    assert [mail["to"] for mail in shop.mails] == ["bo@example.com"] * 3
    assert len({mail["key"] for mail in shop.mails}) == 2


async def test_a_mail_that_cannot_be_sent_is_tried_under_the_same_key_and_admitted() -> None:
    """A second key would be a second mail once the server is back."""
    shop = Shop(broken=frozenset({"send_email"}))
    text = "Please e-mail me the status of NL-20001 to bo@example.com."
    talk = await run(PLAIN, text, shop=shop)
    tried = talk.named("send_email")
    assert len(tried) == 2
    assert tried[0] == tried[1]
    assert "could not send" in talk.output


async def test_instructions_in_a_page_are_neither_followed_nor_quoted() -> None:
    """A page is data: this one asks for the list of customers."""
    for prompt in (PLAIN, BROAD):
        talk = await run(prompt, RETURN)
        assert talk.named("kb_read")
        assert not talk.named("send_email")
        assert "evil" not in talk.output


async def test_a_run_resumed_at_any_step_goes_on_as_it_would_have() -> None:
    """A killed evaluation must come to the same decision as one that was left alone."""
    for prompt in (PLAIN, BROAD, ON_GAPS):
        for text in (RETURN, NOTHING, "Status of NL-20001 and the warranty of a lamp?"):
            whole = (await run(prompt, text)).messages
            for at, message in enumerate(whole):
                if isinstance(message, ModelResponse):
                    before = stored_and_read(whole[:at])
                    again = await ScriptedModel(key()).request(before, None, PARAMETERS)
                    assert said_by_model(again) == said_by_model(message)


async def test_runs_do_not_depend_on_their_order_or_on_the_evaluation() -> None:
    """Otherwise `-j` or a resume would change the decision."""
    forwards = [await run(PLAIN, RETURN, repeat=repeat) for repeat in range(1, 6)]
    backwards = [
        await run(PLAIN, RETURN, repeat=repeat, evaluation_id="other") for repeat in range(5, 0, -1)
    ]
    assert [t.calls for t in forwards] == [t.calls for t in reversed(backwards)]


@pytest.mark.parametrize("field", ["seed", "prompt_id", "golden_task_id", "repeat"])
async def test_each_part_of_the_key_changes_the_chance(field: str) -> None:
    """Repeats that are copies of each other would look like certainty."""
    values = range(40) if field in {"seed", "repeat"} else map(str, range(40))
    talks = [await run(PLAIN, RETURN, **{field: value}) for value in values]
    assert len({talk.total_tokens for talk in talks}) > 3


async def test_a_few_runs_go_round_once_more_under_any_prompt() -> None:
    """Real traffic has a retry tail, and the statistics have to live with it."""
    lengths = [
        len((await run("Be brief.", RETURN, repeat=repeat)).calls) for repeat in range(1, 401)
    ]
    usual = statistics.mode(lengths)
    tail = sum(length > usual + 2 for length in lengths) / len(lengths)
    assert 0.001 < tail < 0.06


async def test_tokens_are_those_of_the_whole_request() -> None:
    """The history is sent again with every step: that is why more steps cost more."""
    talk = await run(PLAIN, RETURN)
    sent = [m.usage.input_tokens for m in talk.messages if isinstance(m, ModelResponse)]
    assert sent == sorted(sent)
    assert sent[0] > text_tokens(PLAIN) + text_tokens(RETURN)
    page = text_tokens(Shop().kb_read("returns"))
    assert sent[-1] - sent[0] > page


@pytest.mark.parametrize("named", [(), ("kb_search",), ("orders_lookup",), ("weather",)])
async def test_it_makes_do_with_the_tools_there_are(named: tuple[str, ...]) -> None:
    """Other workspaces offer other tools, or none."""
    tools = [t for t in PARAMETERS.function_tools if t.name in named]
    if "weather" in named:
        tools.append(ToolDefinition(name="weather"))
    talk = await converse(
        ScriptedModel(key()),
        opening(BROAD, RETURN),
        parameters=ModelRequestParameters(function_tools=tools),
    )
    assert talk.output
    assert {name for name, _ in talk.calls} <= set(named)


async def test_tools_are_known_by_their_meaning_not_by_one_spelling() -> None:
    """A team's own tools are named otherwise, and have other arguments."""
    schema = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
    parameters = ModelRequestParameters(
        function_tools=[ToolDefinition(name="find_docs", parameters_json_schema=schema)]
    )
    response = await ScriptedModel(key()).request(opening(PLAIN, RETURN), None, parameters)
    (call,) = (part for part in response.parts if isinstance(part, ToolCallPart))
    assert call.tool_name == "find_docs"
    assert "lamp" in call.args_as_dict()["q"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "title", "status", "snippet", "text", "results", "found"])
            | st.text(max_size=8),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(
    prompt=st.text(max_size=80) | st.sampled_from([PLAIN, BROAD, ON_GAPS]),
    text=st.text(max_size=120)
    | st.sampled_from([RETURN, NOTHING, "Mail me NL-20001 at a@b.example"]),
    returned=st.lists(_JSON, min_size=1, max_size=6),
    outcome=st.sampled_from(["success", "failed", "retried", "denied"]),
    schema=st.dictionaries(st.text(max_size=6), _JSON, max_size=3),
)
async def test_nothing_that_people_or_tools_say_breaks_it(
    prompt: str, text: str, returned: list[Any], outcome: Any, schema: dict[str, Any]
) -> None:
    """Its crashes would be counted against the prompt under test."""
    names = ["search", "read_page", "order_lookup", "sendEmail"]
    parameters = ModelRequestParameters(
        function_tools=[ToolDefinition(name=n, parameters_json_schema=schema) for n in names]
    )
    messages: list[ModelMessage] = opening(prompt, text)
    model = ScriptedModel(key())
    for step in range(30):
        response = await model.request(messages, None, parameters)
        wanted = [part for part in response.parts if isinstance(part, ToolCallPart)]
        if not wanted:
            return
        content = returned[step % len(returned)]
        parts = [
            ToolReturnPart(call.tool_name, content, call.tool_call_id, outcome=outcome)
            for call in wanted
        ]
        messages = [*messages, response, ModelRequest(parts=parts)]
    raise AssertionError("the model does not come to an end")
