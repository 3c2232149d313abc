"""Budgets of money in the built-in loop: what cannot be paid for is not asked."""

import pytest
from pydantic_ai.usage import RequestUsage

from assay.config import Budgets
from assay.models.prices import PriceTable
from assay.token_prices import ModelPrices
from tests.fakes.loop import Bench, search
from tests.fakes.sources import FakeSource, FollowingModel, calls, says

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
