"""Unknown is not free; what the configuration says comes first."""

import pytest
from pydantic_ai.usage import RequestUsage

from assay.models.prices import Price, PriceTable, price_ref_at
from assay.token_prices import ModelPrices

USAGE = RequestUsage(input_tokens=1_000, output_tokens=100)
SHIPPED = PriceTable()
OWN = ModelPrices.model_validate(
    {
        "input_per_mtok": 2,
        "cached_input_per_mtok": 0.5,
        "cache_write_per_mtok": 3,
        "output_per_mtok": 10,
        "tiers": [
            {"above_input_tokens": 400_000, "input_per_mtok": 8, "output_per_mtok": 40},
            {"above_input_tokens": 200_000, "input_per_mtok": 4, "output_per_mtok": 20},
        ],
    },
    strict=False,
)


def shipped(price_ref: str | None) -> Price:
    return SHIPPED.price_of("m", price_ref)


def own(usage: RequestUsage) -> float | None:
    return PriceTable({"m": OWN}).price_of("m", None).spend_usd(usage)


def test_a_request_costs_what_its_tokens_cost() -> None:
    """Twice the tokens, twice the price; cached tokens are cheaper."""
    price = shipped("openai:gpt-4o")
    once = price.spend_usd(USAGE)
    twice = price.of_tokens(2_000, 200)
    cached = price.spend_usd(
        RequestUsage(input_tokens=1_000, cache_read_tokens=900, output_tokens=100)
    )
    assert once is not None
    assert twice == pytest.approx(2 * once)
    assert cached is not None
    assert 0 < cached < once


@pytest.mark.parametrize(
    "price_ref", [None, "nobody:nothing", "openai:no-such-model", "github-copilot:gpt-4o"]
)
def test_a_model_without_a_price_has_no_spend(price_ref: str | None) -> None:
    """The last one is in the table, but without prices: 0 dollars would pass any gate."""
    assert not shipped(price_ref).is_known
    assert shipped(price_ref).spend_usd(USAGE) is None


@pytest.mark.parametrize(
    "price", [shipped("openai:gpt-4o"), PriceTable({"m": OWN}).price_of("m", None)]
)
def test_usage_that_is_unknown_or_cannot_be_has_no_spend(price: Price) -> None:
    """Its counts are 0 only for want of anything better; no more can be cached than sent."""
    assert price.spend_usd(RequestUsage(unmeasured_requests=1)) is None
    assert price.spend_usd(RequestUsage(input_tokens=1, cache_read_tokens=9)) is None


def test_a_long_context_costs_what_genai_prices_says_it_does() -> None:
    """Above 200,000 input tokens, Gemini's price doubles for all of them."""
    price = shipped("google:gemini-2.5-pro")
    short, long = price.of_tokens(200_000, 0), price.of_tokens(200_001, 0)
    assert short is not None
    assert long == pytest.approx(2 * short, rel=1e-4)


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        (RequestUsage(input_tokens=100_000, output_tokens=10_000), 0.2 + 0.1),
        (
            RequestUsage(
                input_tokens=100_000,
                cache_read_tokens=50_000,
                cache_write_tokens=20_000,
                output_tokens=1_000,
            ),
            0.06 + 0.025 + 0.06 + 0.01,
        ),
        (RequestUsage(input_tokens=200_000), 0.4),
        (RequestUsage(input_tokens=200_001, output_tokens=1_000), 0.800004 + 0.02),
        (RequestUsage(input_tokens=500_000, output_tokens=1_000), 4.0 + 0.04),
        (RequestUsage(input_tokens=300_000, cache_read_tokens=300_000), 1.2),
    ],
    ids=["plain", "cached", "just short", "long", "very long", "a tier's cache as its input"],
)
def test_own_prices_count_caches_and_long_contexts(usage: RequestUsage, dollars: float) -> None:
    """A bill that leaves out the cache or the long context is off by a factor."""
    assert own(usage) == pytest.approx(dollars)


def test_own_prices_come_before_the_shipped_ones_and_only_for_their_model() -> None:
    """Negotiated prices are real; a price of another model's is not."""
    table = PriceTable({"openai:gpt-4o": OWN})
    assert table.price_of("openai:gpt-4o", "openai:gpt-4o").of_tokens(1_000_000, 0) == 8.0
    assert table.price_of("m", "openai:gpt-4o").of_tokens(1_000, 0) == shipped(
        "openai:gpt-4o"
    ).of_tokens(1_000, 0)
    assert not table.price_of("m", None).is_known


def test_an_address_is_priced_as_its_owner() -> None:
    """The same model costs differently at another provider; at one's own server, who knows."""
    assert price_ref_at("https://api.openai.com/v1", "gpt-4o") == "openai:gpt-4o"
    assert price_ref_at("https://api.groq.com/openai/v1", "llama-3") == "groq:llama-3"
    assert price_ref_at("http://127.0.0.1:8000/v1", "gpt-4o") is None


def test_the_table_is_named_with_its_version() -> None:
    """Spends of different tables are not compared."""
    name, version = SHIPPED.name.split()
    assert name == "genai-prices"
    assert version[0].isdigit()
    assert shipped(None).table is None
    assert shipped("openai:gpt-4o").table == SHIPPED.name


def test_other_own_prices_are_another_table() -> None:
    """A price that was corrected must not make two prompts look different."""
    dearer = OWN.model_copy(update={"output_per_mtok": 11.0})
    one, same, other = (PriceTable({"m": each}).name for each in (OWN, OWN, dearer))
    assert one == same != other
    assert one.startswith("config ")
    assert one.endswith(f" + {SHIPPED.name}")
