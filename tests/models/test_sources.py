"""From a name in the configuration to a model: the right one, with the right key and seed."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import ModelMessage, ModelRequest, SystemPromptPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters

from assay.config import BuiltinSection
from assay.errors import InputError
from assay.models.source import run_seed
from assay.models.sources import ModelSource, open_model
from assay.records import RunKey
from tests.fakes.openai_server import FakeOpenAI, says

KEY = RunKey(evaluation_id="e1", prompt_id="support:v1:0", golden_task_id="kb", repeat=1, seed=0)
MESSAGES: list[ModelMessage] = [
    ModelRequest(parts=[SystemPromptPart("Be brief."), UserPromptPart("Where is my parcel?")])
]


def opened(environ: dict[str, str] | None = None, **agent: Any) -> Any:
    return open_model(
        BuiltinSection(**agent), base_folder=Path(), max_concurrency=4, environ=environ or {}
    )


async def ask(source: ModelSource, key: RunKey = KEY) -> Any:
    model = source.for_run(key)
    return await model.request(MESSAGES, source.settings_for(key), ModelRequestParameters())


async def test_an_address_is_asked_for_the_model_with_the_named_key() -> None:
    """The key comes from the environment only, and goes to this server only."""
    async with FakeOpenAI([says("Soon.")]) as server:
        environ = {"MY_KEY": "secret-1", "OPENAI_API_KEY": "secret-2"}
        agent = {"model": "llama3:8b", "base_url": server.base_url, "api_key_env": "MY_KEY"}
        async with opened(environ, **agent) as source:
            assert source.name == "llama3:8b"
            assert source.price_ref is None
            assert (await ask(source)).text == "Soon."
    asked = server.asked[0]
    assert asked.body["model"] == "llama3:8b"
    assert asked.body["seed"] == run_seed(KEY)
    assert asked.headers["Authorization"] == "Bearer secret-1"


async def test_a_server_of_ones_own_needs_no_key() -> None:
    """Most local servers have none."""
    async with (
        FakeOpenAI([says("Soon.")]) as server,
        opened(model="m", base_url=server.base_url) as source,
    ):
        await ask(source)
    assert "Authorization" not in server.asked[0].headers


async def test_the_users_seed_wins_and_null_means_none() -> None:
    """Some want one seed for all, some servers know no seed."""
    async with FakeOpenAI([says("Soon.")]) as server:
        for settings in ({"seed": 5}, {"seed": None}):
            async with opened(
                model="m", base_url=server.base_url, model_settings=settings
            ) as source:
                await ask(source)
    assert server.asked[0].body["seed"] == 5
    assert "seed" not in server.asked[1].body


async def test_openai_is_priced_and_told_the_longest_answer_in_its_own_word() -> None:
    """Its reasoning models refuse `max_tokens`."""
    async with opened({"OPENAI_API_KEY": "k"}, model="openai:gpt-4o") as source:
        assert source.name == "openai:gpt-4o"
        assert source.price_ref == "openai:gpt-4o"
        model = source.for_run(KEY)
        assert model.base_url == "https://api.openai.com/v1"
        body = model._writer.body(MESSAGES, {"max_tokens": 9}, ModelRequestParameters())
        assert b'"max_completion_tokens":9' in body


async def test_a_key_that_cannot_be_a_header_is_the_users_error() -> None:
    """Every request would fail of it, and the prompt would be blamed."""
    with pytest.raises(InputError, match="OPENAI_API_KEY cannot be a header"):
        async with opened({"OPENAI_API_KEY": "secret\nsecret"}, model="openai:gpt-4o"):
            pass


@pytest.mark.parametrize(
    ("agent", "problem", "mend"),
    [
        ({"model": "gpt-4o"}, "nothing is known of 'gpt-4o'", "openai:NAME"),
        ({"model": "nobody:gpt"}, "Unknown model: nobody:gpt", ""),
        ({"model": "openai:gpt-4o"}, "OPENAI_API_KEY is not set", "export OPENAI_API_KEY"),
        (
            {"model": "m", "base_url": "http://127.0.0.1:1/v1", "api_key_env": "NOT_SET"},
            "NOT_SET is not set",
            "export NOT_SET",
        ),
        (
            {"model": "m", "base_url": "http://me:pass@127.0.0.1:1/v1"},
            "a user, a password",
            "api_key_env",
        ),
        (
            {"model": "m", "base_url": "http://127.0.0.1:1/v1", "model_settings": {"top": 1}},
            "agent.model_settings.top: unknown",
            "extra_body",
        ),
        ({"model": "test", "model_settings": {"top": 1}}, "agent.model_settings.top", "top_p"),
        ({"model": "local:no/such.gguf"}, "no model file", "local:PATH.gguf"),
    ],
)
async def test_a_model_that_cannot_be_had_is_the_users_error(
    agent: dict[str, Any], problem: str, mend: str
) -> None:
    """Found before any run is made, with what to do about it."""
    with pytest.raises(InputError) as caught:
        async with opened(**agent):
            pass
    assert problem in caught.value.problem
    assert caught.value.mend
    assert mend in caught.value.mend
    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize("name", ["cohere:command-r", "groq:llama-3", "mistral:small"])
async def test_a_missing_client_library_is_named(name: str) -> None:
    """Assay brings no provider's library; the message says which one to install."""
    module = name.partition(":")[0]
    if find_spec(module) is not None:
        pytest.skip(f"{module} is installed")
    with pytest.raises(InputError) as caught:
        async with opened(model=name):
            pass
    assert f"pydantic-ai-slim[{module}]" in (caught.value.mend or "")


async def test_the_other_models_of_pydantic_ai_are_opened_as_they_are() -> None:
    """Its breadth of providers is kept; `test` is the one that needs no key."""
    async with opened(model="test", model_settings={"temperature": 0.5}) as source:
        assert (await ask(source)).text
        assert source.settings_for(KEY)["temperature"] == 0.5


async def test_the_scripted_model_is_made_for_its_run() -> None:
    """All its chance hangs on the run's key."""
    async with opened(model="scripted") as source:
        assert source.name == "scripted"
        assert (await ask(source)).usage.input_tokens > 0


async def test_the_hash_tells_settings_and_servers_apart() -> None:
    """Runs with other settings must not be compared by accident."""
    hashes = []
    for agent in (
        {"model": "m", "base_url": "http://127.0.0.1:1/v1"},
        {"model": "m", "base_url": "http://127.0.0.1:2/v1"},
        {"model": "m", "base_url": "http://localhost:1/v1"},
        {"model": "m", "base_url": "http://127.0.0.1:1/v1", "model_settings": {"top_p": 0.5}},
        {"model": "n", "base_url": "http://127.0.0.1:1/v1"},
    ):
        async with opened(**agent) as source:
            hashes.append(source.params_hash)
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 4
    assert all(len(each) == 12 and int(each, 16) >= 0 for each in hashes)


@given(st.text(), st.text(), st.integers(1, 99), st.integers())
def test_a_runs_seed_hangs_on_what_is_evaluated_alone(
    prompt_id: str, task: str, repeat: int, seed: int
) -> None:
    """A resumed or repeated evaluation asks with the same seeds; each run has its own."""
    key = RunKey(
        evaluation_id="a", prompt_id=prompt_id, golden_task_id=task, repeat=repeat, seed=seed
    )
    assert 0 <= run_seed(key) < 2**31
    assert run_seed(replace(key, evaluation_id="b")) == run_seed(key)
    assert run_seed(replace(key, repeat=repeat + 1)) != run_seed(key)
    assert run_seed(replace(key, prompt_id=prompt_id + "'")) != run_seed(key)
    assert run_seed(replace(key, golden_task_id=task + "'")) != run_seed(key)
    assert run_seed(replace(key, seed=seed + 1)) != run_seed(key)
