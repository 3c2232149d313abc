"""Agents that are Python functions: called as they like, and read with care."""

from typing import Any

import pytest

from assay.errors import InputError
from tests.fakes.workshop import PROMPT, Workshop

AGENT = {"kind": "python", "entrypoint": "agent:run"}


async def test_a_function_gets_the_run_and_says_what_it_used(workshop: Workshop) -> None:
    """The whole signature, once."""
    workshop.write(
        "agent.py",
        """
        import json
        def run(input, *, system_prompt, prompt_id, budgets, metadata, seed, config):
            assert isinstance(seed, int)
            return {
                "output": json.dumps([input, system_prompt, prompt_id, budgets, metadata, config]),
                "input_tokens": 30, "output_tokens": 12, "cached_tokens": 4, "steps": 2,
                "tool_calls": [{"tool": "kb.search", "arguments": {"q": "a"}}],
                "spend_usd": 0.25,
            }
        """,
    )
    async with workshop.opened(AGENT | {"config": {"k": 1}}, max_tokens=99) as bench:
        result = await bench.run("hi", customer="c1")
        assert (bench.agent.name, bench.agent.model) == ("python", "unknown")
    said = result.output or ""
    assert f"[prompt_id={PROMPT.prompt_id}]" in said
    assert '"max_tokens": 99' in said
    assert said.endswith('{"customer": "c1"}, {"k": 1}]')
    assert (result.stop_reason, result.total_tokens, result.cached_tokens) == ("finish", 42, 4)
    assert (result.steps, result.tool_calls, result.spend_usd) == (2, 1, 0.25)
    assert result.tool_calls_by_tool == {"kb.search": 1}
    assert result.calls[0].arguments == '{"q": "a"}'


async def test_what_a_function_does_not_say_is_unknown_and_never_zero(workshop: Workshop) -> None:
    """An unmeasured agent would pass every gate."""
    workshop.write("agent.py", "def run(input, system_prompt): return 'ok'")
    result = await workshop.run(AGENT)
    assert (result.output, result.stop_reason) == ("ok", "finish")
    figures = (result.total_tokens, result.tool_calls, result.steps, result.spend_usd)
    assert figures == (None, None, None, None)


@pytest.mark.parametrize("is_async", [False, True])
async def test_promptfoos_signature_is_taken_as_it_is(workshop: Workshop, is_async: bool) -> None:
    """Teams that come from there change no line."""
    workshop.write(
        "agent.py",
        f"""
        {"async " if is_async else ""}def call_api(prompt, options, context):
            assert options["config"]["model"] == "m" and options["config"]["basePath"]
            assert options["config"]["system_prompt"] == context["vars"]["system_prompt"]
            assert context["vars"]["tier"] == context["test"]["metadata"]["tier"] == "gold"
            return {{
                "output": {{"said": prompt}}, "cost": 0.5,
                "tokenUsage": {{"total": 15, "prompt": 10, "completion": 5, "cached": 3}},
            }}
        """,
    )
    agent = AGENT | {"entrypoint": "agent:call_api", "config": {"model": "m"}}
    async with workshop.opened(agent) as bench:
        result = await bench.run([{"role": "user", "content": "hi"}], tier="gold")
    assert result.error is None
    assert result.output == '{"said": "[{\\"role\\": \\"user\\", \\"content\\": \\"hi\\"}]"}'
    assert (result.total_tokens, result.input_tokens, result.cached_tokens) == (15, 10, 3)
    assert result.spend_usd == 0.5


async def test_a_promptfoo_error_is_an_agent_error(workshop: Workshop) -> None:
    """`{"output": "", "error": ...}` is how its providers fail."""
    workshop.write(
        "agent.py", "def call_api(prompt, options, context): return {'output': '', 'error': 'no'}"
    )
    result = await workshop.run(AGENT | {"entrypoint": "agent:call_api"})
    assert (result.stop_reason, result.error) == ("agent_error", "no")


async def test_an_async_function_in_disguise_is_awaited(workshop: Workshop) -> None:
    """A partial, an object that is called: neither looks async."""
    workshop.write(
        "agent.py",
        """
        class Agent:
            async def __call__(self, said, system_prompt):
                return said
        run = Agent()
        """,
    )
    assert (await workshop.run(AGENT)).output == "hello"


async def test_the_users_tasks_and_flows_never_meet_ours(workshop: Workshop) -> None:
    """Theirs win even as folders without __init__; without theirs there are none."""
    workshop.write("tasks/mine.py", "WORD = 'mine'")
    workshop.write(
        "agent.py",
        """
        import assay.prompts
        import tasks.mine
        def run(input, prompt_id):
            try:
                import flows
            except ModuleNotFoundError:
                return tasks.mine.WORD
        """,
    )
    assert (await workshop.run(AGENT)).output == "mine"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nowhere", "agent cannot be imported: ModuleNotFoundError: No module named 'n"),
        ("x = 1\nraise SystemExit(3)", "agent cannot be imported: SystemExit: 3 (agent.py:2)"),
        ("run = 5", "agent has no function 'run'"),
        ("def run(input): ...", "it takes no system_prompt, so that every prompt would be the"),
        ("def run(): ...", "it takes no input"),
        ("def run(input, system_prompt, client): ...", "it wants 'client'; there are: system_"),
        ("import os; os._exit(7)", "the process ended with exit code 7"),
    ],
)
async def test_a_function_that_cannot_be_called_is_an_error_before_any_run(
    workshop: Workshop, code: str, said: str
) -> None:
    """240 runs of the same ImportError tell nothing about a prompt."""
    workshop.write("agent.py", code)
    with pytest.raises(InputError) as caught:
        await workshop.run(AGENT)
    assert f"agent.entrypoint agent:run: {said}" in str(caught.value)


@pytest.mark.parametrize("style", ["def", "async def"])
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('no shard')", "ValueError: no shard (agent.py:4)"),
        ("sys.exit(3)", "SystemExit: 3 (agent.py:4)"),
        ("os._exit(3)", "the process ended with exit code 3"),
        ("os.kill(os.getpid(), 11)", "the process ended with SIGSEGV"),
        ("return 5", "it returned int, not text or a dict"),
        ("return {'output': object()}", "the answer is no JSON: float() argument"),
        ("return {'output': 'x' * 50_000_000}", "the answer has 50,000,"),
        ("return {'steps': 3}", "the answer is wrong: it has neither output nor error"),
        ("return {'output': 'x', 'steps': '3'}", 'the answer is wrong: steps is not a number: "3"'),
        ("return {'output': 'x', 'steps': -3}", "steps is not from 0 to 1e+12: -3"),
        ("return {'output': 'x', 'tool_calls': [3]}", "a tool call without the tool's name: 3"),
        ("os.write(1, b'rubbish'); os.close(2); raise ValueError('x')", "ValueError: x"),
    ],
)
async def test_a_run_that_breaks_is_an_agent_error_and_the_next_one_is_served(
    workshop: Workshop, style: str, body: str, said: str
) -> None:
    """Whatever happens in a run is that run's, in few words."""
    workshop.write(
        "agent.py",
        f"import os, sys\n{style} run(input, prompt_id):\n"
        f"    if input == 'fine': return 'fine'\n    {body}\n",
    )
    async with workshop.opened(AGENT, at_once=1) as bench:
        broken, fine = await bench.run("break"), await bench.run("fine")
    assert broken.stop_reason == "agent_error"
    assert said in (broken.error or "")
    assert len(broken.error or "") <= 2_000
    assert (fine.stop_reason, fine.output) == ("finish", "fine")


@pytest.mark.parametrize(
    ("figures", "budgets", "reason"),
    [
        ({"total_tokens": 101}, {"max_tokens": 100}, "max_tokens"),
        ({"total_tokens": 100}, {"max_tokens": 100}, "finish"),
        ({"tool_calls": 13}, {}, "max_tool_calls"),
        ({"steps": 26}, {}, "max_steps"),
        ({"spend_usd": 0.2}, {"max_spend_usd": 0.1}, "max_spend"),
        ({"total_tokens": 101, "error": "broke"}, {"max_tokens": 100}, "agent_error"),
        ({}, {"max_tokens": 1}, "finish"),
        ({"stop_reason": "handed_over"}, {}, "handed_over"),
    ],
)
async def test_an_agent_that_ignores_its_budgets_does_not_look_fine(
    workshop: Workshop, figures: dict[str, Any], budgets: dict[str, Any], reason: str
) -> None:
    """The budget's stop reason stands in the place of its own."""
    workshop.write(
        "agent.py", f"def run(input, prompt_id): return {{'output': 'ok', **{figures!r}}}"
    )
    result = await workshop.run(AGENT, **budgets)
    assert (result.stop_reason, result.output) == (reason, "ok")


async def test_half_a_character_in_an_answer_is_kept_from_everything_else(
    workshop: Workshop,
) -> None:
    """JavaScript cuts emojis in two."""
    workshop.write(
        "agent.py",
        r"""
        def run(input, prompt_id):
            return {"output": "\ud83d", "stop_reason": "\ud83d", "error": "\ud83d",
                    "tool_calls": [{"tool": "\ud83d", "arguments": "\ud83d"}]}
        """,
    )
    result = await workshop.run(AGENT, "\ud83d")
    assert (result.stop_reason, result.error) == ("?", "?")
    assert result.tool_calls_by_tool == {"?": 1}


async def test_the_hashes_tell_the_code_and_the_settings_apart(workshop: Workshop) -> None:
    """Runs of another code are another experiment; more processes are not."""
    workshop.write("agent.py", "def run(input, prompt_id): return 'a'")
    async with workshop.opened(AGENT) as bench:
        first = bench.agent
    async with workshop.opened(AGENT | {"processes": 1, "model": "m"}) as bench:
        same = bench.agent
    workshop.write("agent.py", "def run(input, prompt_id): return 'b'")
    async with workshop.opened(AGENT | {"config": {"a": 1}}) as bench:
        other = bench.agent
    assert (same.tools_hash, same.model_params_hash) == (first.tools_hash, first.model_params_hash)
    assert other.tools_hash != first.tools_hash
    assert other.model_params_hash != first.model_params_hash


def test_the_worker_knows_what_the_configuration_knows() -> None:
    """It imports nothing of ours, so that one list stands twice."""
    from assay import agent_sections
    from assay.agents import python_worker

    assert {"input", *python_worker.TOLD} == agent_sections.TOLD | {
        "config",
        agent_sections.BASE_URL,
    }
    assert python_worker.TELL_PROMPTS_APART == agent_sections.TELL_PROMPTS_APART
