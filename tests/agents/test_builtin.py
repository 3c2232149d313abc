"""The built-in loop: each budget stops exactly where it says, and nothing used is lost."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai.exceptions import ModelHTTPError, UnexpectedModelBehavior
from pydantic_ai.messages import ToolReturnPart
from pydantic_ai.tools import Tool
from pydantic_ai.usage import RequestUsage

from assay.agents.builtin import BuiltinAgent
from assay.agents.protocol import AgentResult, Order
from assay.agents.toolbox import Toolbox, ToolsGone
from assay.budgets import LOOP_AFTER, MAX_REFUSALS, ToolPolicy
from assay.config import Budgets
from assay.models.prices import Price, PriceTable
from assay.prompts import PromptVersion
from assay.records import RunKey, RunScope
from assay.store.journal import Journal
from assay.store.tape import Tape, read_tapes
from assay.token_prices import ModelPrices
from tests.fakes.sources import FakeSource, FollowingModel, calls, says

PROMPT = PromptVersion("support", "v1", "Answer.", "support:v1:000000000000")


class Desk:
    """Tools that count how often each was really executed."""

    def __init__(self) -> None:
        self.executed: list[str] = []

    def search(self, query: str) -> list[str]:
        """Search."""
        self.executed.append(query)
        return [f"about {query}"]

    async def slow(self, seconds: float) -> str:
        """Wait."""
        await asyncio.sleep(seconds)
        return "done"

    def broken(self) -> str:
        """Fail."""
        raise RuntimeError("the shard is down")

    def tools(self) -> list[Tool[Any]]:
        return [
            Tool(self.search, name="kb.search"),
            Tool(self.slow, name="slow"),
            Tool(self.broken, name="broken"),
        ]


class Bench:
    """Runs one order on a source, with a tape in a folder."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk()
        self.folder = folder
        self.key = RunKey(
            evaluation_id="e", prompt_id=PROMPT.prompt_id, golden_task_id="t", repeat=1, seed=0
        )

    async def run(
        self,
        source: FakeSource,
        *,
        budgets: Budgets | None = None,
        policy: ToolPolicy | None = None,
        price: Price = Price(),  # noqa: B008 - frozen
    ) -> AgentResult:
        agent = BuiltinAgent(
            name="builtin",
            source=source,
            price=price,
            toolbox=Toolbox(self.desk.tools()),
            budgets=budgets or Budgets(),
            policy=policy or ToolPolicy(),
            attempts=1,
        )
        order = Order(
            prompt=PROMPT, input="hello", scope=RunScope(key=self.key, folder=self.folder)
        )
        path = self.folder / "tapes.jsonl"
        taped = read_tapes(path, finished=()).get(self.key.run_id, ())
        with Journal(path) as journal:
            return await agent.run(order, tape=Tape(self.key.run_id, taped, journal))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def search(query: str) -> tuple[str, dict[str, object]]:
    return "kb_search", {"query": query}


async def test_a_text_without_tool_calls_finishes_the_run(bench: Bench) -> None:
    """The ordinary end; its text is the output."""
    result = await bench.run(FakeSource(calls(search("a")), says("Thirty days.")))
    assert (result.stop_reason, result.output) == ("finish", "Thirty days.")
    assert (result.steps, result.tool_calls, result.total_tokens) == (2, 1, 40)
    assert result.tool_calls_by_tool == {"kb.search": 1}


async def test_the_system_prompt_bears_the_prompt_id(bench: Bench) -> None:
    """Every run logs which prompt it ran, so that a regression can be traced to it."""
    source = FakeSource(says("hi"))
    await bench.run(source)
    system = source.model.requests[0][0].parts[0].content
    assert "[prompt_id=support:v1:000000000000]\nAnswer." in system


@pytest.mark.parametrize(
    ("budgets", "stop_reason", "executed"),
    [
        (Budgets(max_steps=3), "max_steps", 3),
        (Budgets(max_tool_calls=2), "max_tool_calls", 2),
        (Budgets(max_tokens=50), "max_tokens", 2),
        (Budgets(max_tokens=40), "max_tokens", 2),
    ],
)
async def test_each_budget_ends_in_its_own_stop_reason_and_keeps_what_was_used(
    bench: Bench, budgets: Budgets, stop_reason: str, executed: int
) -> None:
    """A stopped run is evidence: it must say what stopped it, and what it had cost."""
    replies = [calls(search(f"q{n}"), text="thinking") for n in range(30)]
    result = await bench.run(FakeSource(*replies), budgets=budgets)
    assert result.stop_reason == stop_reason
    assert len(bench.desk.executed) == executed == result.tool_calls
    assert result.total_tokens == result.steps * 20
    assert result.output == "thinking"


async def test_of_several_calls_in_one_response_only_those_within_the_budget_are_made(
    bench: Bench,
) -> None:
    """`max_tool_calls: 2` means two, also when the model asks for five at once."""
    result = await bench.run(
        FakeSource(calls(*(search(str(n)) for n in range(5)))), budgets=Budgets(max_tool_calls=2)
    )
    assert sorted(bench.desk.executed) == ["0", "1"]
    assert [call.outcome for call in result.calls] == ["success", "success", "max_tool_calls"]


async def test_the_clock_stops_a_run_in_the_middle_of_a_tool_call(bench: Bench) -> None:
    """A hung tool must not hold a run, nor an evaluation, for ever."""
    source = FakeSource(calls(("slow", {"seconds": 60})))
    result = await bench.run(source, budgets=Budgets(max_seconds=0.05))
    assert (result.stop_reason, result.steps, result.tool_calls) == ("max_seconds", 1, 1)


async def test_a_denied_call_is_refused_to_the_model_and_never_executed(bench: Bench) -> None:
    """The run goes on, so that its other calls are made; its end says what it reached for."""
    source = FakeSource(calls(search("a"), ("broken", {})), says("I may not search."))
    result = await bench.run(source, policy=ToolPolicy(frozenset({"broken"})))
    told = source.model.requests[1][-1].parts
    assert [part.outcome for part in told] == ["denied", "failed"]
    assert told[0].content == "Refused: the tool kb.search is not allowed."
    assert bench.desk.executed == []
    assert (result.stop_reason, result.output) == ("tool_denied", "I may not search.")
    assert (result.denied_tool_calls, result.tool_calls_by_tool) == (1, {"broken": 1})
    assert [call.outcome for call in result.calls] == ["denied", "failed"]
    assert [call.was_made for call in result.calls] == [False, True]


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (ToolPolicy(blocked=frozenset({"kb.search"})), "the tool kb.search is blocked."),
        (
            ToolPolicy(frozenset({"kb.search"}), blocked=frozenset({"kb.search"})),
            "the tool kb.search is blocked.",
        ),
        (
            ToolPolicy(max_calls={"kb.search": 2}),
            "the tool kb.search may be called 2 times at most.",
        ),
        (ToolPolicy(max_calls={"kb.search": 1}), "the tool kb.search may be called once at most."),
    ],
)
async def test_a_refusal_says_which_limit_it_was(
    bench: Bench, policy: ToolPolicy, words: str
) -> None:
    """A model that is told why can do without; `send_email: 1` means one mail."""
    source = FakeSource(calls(search("a"), search("b"), search("c")), says("done"))
    result = await bench.run(source, policy=policy)
    assert source.model.requests[1][-1].parts[-1].content == f"Refused: {words}"
    made = policy.max_calls.get("kb.search", 0)
    assert len(bench.desk.executed) == made == result.tool_calls
    assert result.denied_tool_calls == 3 - made


async def test_a_run_that_does_not_take_no_for_an_answer_is_ended(bench: Bench) -> None:
    """Refusals cost tokens: after three of them the next denied call ends the run at once."""
    source = FakeSource(calls(search("a")))
    result = await bench.run(source, policy=ToolPolicy(frozenset()))
    assert (result.stop_reason, result.steps) == ("tool_denied", MAX_REFUSALS + 1)
    assert (result.denied_tool_calls, result.tool_calls) == (MAX_REFUSALS + 1, 0)
    assert [call.outcome for call in result.calls] == ["denied"] * 3 + ["tool_denied"]


async def test_a_run_with_a_denied_call_that_something_else_stops_says_what(bench: Bench) -> None:
    """`tool_denied` must not hide a budget that is too small, nor an outage."""
    replies = [calls(search("a")), calls(("broken", {}))]
    policy = ToolPolicy(frozenset({"broken"}))
    result = await bench.run(FakeSource(*replies), policy=policy, budgets=Budgets(max_steps=2))
    assert (result.stop_reason, result.denied_tool_calls) == ("max_steps", 1)
    outage = FakeSource(calls(search("a")), ConnectionResetError("gone"))
    result = await bench.run(outage, policy=policy)
    assert result.stop_reason == "infra_error"


@pytest.mark.parametrize("cut", range(5))
async def test_a_run_with_a_denied_call_goes_on_from_its_tape_as_if_it_had_not_been_cut(
    bench: Bench, cut: int
) -> None:
    """The same policy refuses again what it refused; no result may go to the wrong call."""
    policy = ToolPolicy(max_calls={"kb.search": 1})
    replies = [calls(search("a"), search("b"), ("broken", {})), says("done")]
    whole = await bench.run(FakeSource(*replies), policy=policy)
    tape = bench.folder / "tapes.jsonl"
    lines = tape.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4  # 2 responses, 2 tool results
    tape.write_bytes(b"".join(lines[:cut]))
    bench.desk.executed.clear()

    source = FakeSource(*replies)
    resumed = await bench.run(source, policy=policy)
    assert without_time(resumed) == without_time(whole)
    assert len(tape.read_bytes().splitlines()) == 4  # what was there was not asked again
    for request in source.model.requests[1:]:
        assert [part.outcome for part in request[-1].parts] == ["success", "denied", "failed"]


async def test_a_tool_that_is_gone_for_good_ends_the_run_as_an_outage(bench: Bench) -> None:
    """A prompt must not be judged by what its tools' server did."""
    bench.desk.broken = gone  # type: ignore[method-assign]
    result = await bench.run(FakeSource(calls(search("a"), ("broken", {})), says("done")))
    assert (result.stop_reason, result.error) == ("infra_error", "the server is down")
    assert bench.desk.executed == ["a"]


def gone() -> str:
    """Fail."""
    raise ToolsGone("the server is down")


async def test_the_same_call_again_and_again_is_a_loop(bench: Bench) -> None:
    """A loop would else run into its budget with nothing to say why."""
    result = await bench.run(FakeSource(calls(search("a"))))
    assert (result.stop_reason, len(bench.desk.executed)) == ("loop", LOOP_AFTER - 1)


async def test_a_tool_that_fails_is_told_to_the_model(bench: Bench) -> None:
    """What the agent makes of a failing tool is part of what is judged."""
    source = FakeSource(calls(("broken", {})), says("I could not look."))
    result = await bench.run(source)
    told = source.model.requests[1][-1].parts[0]
    assert isinstance(told, ToolReturnPart)
    assert (told.outcome, told.content) == ("failed", "RuntimeError: the shard is down")
    assert (result.stop_reason, result.calls[0].outcome) == ("finish", "failed")


@pytest.mark.parametrize("arguments", [{"quer": "a"}, {"query": 7}])
async def test_arguments_that_do_not_fit_the_schema_are_told_to_the_model(
    bench: Bench, arguments: dict[str, object]
) -> None:
    """Models misspell fields; the tool is not executed with half of its arguments."""
    source = FakeSource(calls(("kb_search", arguments)), says("sorry"))
    result = await bench.run(source)
    assert (result.calls[0].outcome, bench.desk.executed) == ("retried", [])


async def test_an_unknown_tool_is_told_to_the_model(bench: Bench) -> None:
    """A tool that the model made up is its mistake, not ours to crash on."""
    result = await bench.run(FakeSource(calls(("teleport", {})), says("sorry")))
    assert (result.stop_reason, result.calls[0].outcome) == ("finish", "failed")


@pytest.mark.parametrize(
    ("error", "stop_reason"),
    [
        (ModelHTTPError(503, "m"), "infra_error"),
        (ModelHTTPError(429, "m"), "infra_error"),
        (ConnectionResetError("gone"), "infra_error"),
        (ModelHTTPError(400, "m"), "agent_error"),
    ],
)
async def test_a_failed_request_is_a_row_with_what_was_used_before_it(
    bench: Bench, error: Exception, stop_reason: str
) -> None:
    """The outside world's failure is data: counted apart, and never a crash."""
    result = await bench.run(FakeSource(calls(search("a")), error))
    assert (result.stop_reason, result.steps, result.total_tokens) == (stop_reason, 1, 20)
    assert result.error is not None
    assert type(error).__name__ in result.error


async def test_an_answer_without_sense_has_cost_nobody_knows_what(bench: Bench) -> None:
    """It was answered, and perhaps paid for: what is not known is not 0."""
    rubbish = UnexpectedModelBehavior("nonsense")
    result = await bench.run(FakeSource(calls(search("a")), rubbish))
    assert (result.stop_reason, result.steps, result.total_tokens) == ("agent_error", 2, None)
    assert "UnexpectedModelBehavior: nonsense" in (result.error or "")


async def test_an_answer_of_a_tool_is_bounded(bench: Bench) -> None:
    """50 MB would go to the model with every request that follows, and hold up all other runs."""
    bench.desk.broken = lambda: "x" * 2_000_000  # type: ignore[method-assign]
    source = FakeSource(calls(("broken", {})), says("I could not look."))
    result = await bench.run(source)
    told = source.model.requests[1][-1].parts[0]
    assert isinstance(told, ToolReturnPart)
    assert told.content == "The answer has 2,000,002 bytes; 1,000,000 are taken."
    assert (result.stop_reason, result.calls[0].outcome) == ("finish", "failed")


async def test_an_answer_may_be_no_longer_than_the_token_budget_still_allows(bench: Bench) -> None:
    """A budget that is only looked at afterwards is overrun by a whole answer."""
    source = FakeSource(calls(search("a")), says("done"))
    await bench.run(source, budgets=Budgets(max_tokens=100))
    assert [settings["max_tokens"] for settings in source.model.settings_seen] == [100, 80]


@pytest.mark.parametrize("cut", range(6))
async def test_an_interrupted_run_goes_on_without_asking_or_calling_twice(
    bench: Bench, cut: int
) -> None:
    """What was paid for before a kill is not paid for again, and the end is the same."""
    replies = [calls(search("a"), search("b")), calls(search("c")), says("done")]
    whole = await bench.run(FakeSource(*replies))
    tape = bench.folder / "tapes.jsonl"
    lines = tape.read_bytes().splitlines(keepends=True)
    assert len(lines) == 6  # 3 responses, 3 tool results
    tape.write_bytes(b"".join(lines[:cut]))
    bench.desk.executed.clear()

    source = FakeSource(*replies)
    resumed = await bench.run(source)
    assert len(source.model.requests) + len(bench.desk.executed) == 6 - cut
    assert without_time(resumed) == without_time(whole)


def without_time(result: AgentResult) -> dict[str, object]:
    names = set(AgentResult.__dataclass_fields__) - {"latency_s"}
    return {name: getattr(result, name) for name in names}


PRICED = PriceTable(
    {"m": ModelPrices(input_per_mtok=1e3, output_per_mtok=1e4)}  # $0.001 and $0.01 a token
).price_of("m", None)


async def test_a_spend_budget_never_sends_what_it_cannot_pay_for(bench: Bench) -> None:
    """A limit that is only looked at afterwards is overrun by a whole request."""
    replies = [calls(search(f"q{n}")) for n in range(30)]  # $0.11 each, 10 tokens in and out
    source = FakeSource(*replies)
    result = await bench.run(source, budgets=Budgets(max_spend_usd=0.355), price=PRICED)
    # After three: 0.33 spent, and the 20 tokens of the conversation alone cost 0.02 again.
    assert (result.stop_reason, result.steps) == ("max_spend", 3)
    assert result.spend_usd == pytest.approx(0.33)
    assert [seen["max_tokens"] for seen in source.model.settings_seen] == [35, 22, 11]


@pytest.mark.parametrize("cents", [5, 50, 123, 400])
async def test_a_run_overspends_by_no_more_than_the_input_that_nobody_could_foresee(
    bench: Bench, cents: int
) -> None:
    """What a tool adds to the conversation is known to the provider alone, once it is sent."""
    new = 3  # input tokens that each request adds to the conversation

    class Talker(FollowingModel):
        async def request(self, messages, model_settings, model_request_parameters):  # type: ignore[no-untyped-def]
            response = await super().request(messages, model_settings, model_request_parameters)
            step = len(self.requests)
            response.usage.input_tokens = 5 * (step - 1) + new * step
            response.usage.output_tokens = min(5, model_settings["max_tokens"])
            return response

    source = FakeSource()
    source.model = Talker([calls(search(f"q{n}")) for n in range(60)])
    budgets = Budgets(max_spend_usd=cents / 100, max_steps=60, max_tool_calls=60)
    result = await bench.run(source, budgets=budgets, price=PRICED)
    assert result.stop_reason == "max_spend"
    assert result.spend_usd is not None
    assert cents / 100 - 0.25 < result.spend_usd <= cents / 100 + new * 0.001


async def test_an_answer_that_the_money_cut_short_is_no_finish(bench: Bench) -> None:
    """Half an answer would else be judged as the prompt's doing."""
    cut = says("Thirty d", tokens=10)
    cut.finish_reason = "length"
    cut.usage.output_tokens = 35
    result = await bench.run(FakeSource(cut), budgets=Budgets(max_spend_usd=0.361), price=PRICED)
    assert (result.stop_reason, result.output) == ("max_spend", "Thirty d")
    result = await bench.run(FakeSource(cut), budgets=Budgets(max_spend_usd=9), price=PRICED)
    assert result.stop_reason == "finish"  # cut by another limit, such as the user's max_tokens


async def test_a_spend_that_is_not_known_ends_a_run_that_has_a_limit(bench: Bench) -> None:
    """A provider that stops counting must not lift the limit."""
    silent = calls(search("a"))
    silent.usage = RequestUsage(unmeasured_requests=1)
    result = await bench.run(
        FakeSource(silent, says("done")), budgets=Budgets(max_spend_usd=9), price=PRICED
    )
    assert (result.stop_reason, result.steps, result.spend_usd) == ("max_spend", 1, None)
