"""The MCP example, judged; and a tool that changed between two evaluations, said in words."""

import sys
from pathlib import Path
from typing import Any

import psutil

from assay.cli import main
from assay.evaluation import EvaluationFolder
from assay.nights.reference import beside
from assay.plan import Plan, folder_of
from assay.records import RunRecord
from assay.store.parquet import read_runs, write_runs
from assay.store.toolsets import changed_tools, read_tools
from assay.tool_schemas import ToolSchemas
from tests.carrying_out import carried_out, judged, planned
from tests.test_own_agents import copied

LOST = "tool `shop.order_lookup` lost field `order_id`"
GAINED = "tool `shop.order_lookup` gained required field `number`"


def evaluated(folder: Path, **asked: Any) -> tuple[Plan, EvaluationFolder, list[RunRecord]]:
    """`assay evaluate faq:v2` in the example's copy, without Prefect."""
    plan = planned(folder, "faq:v2", **asked)
    runs = carried_out(plan)
    done = folder_of(plan)
    done.rebuild_parquet()
    return plan, done, runs


def tools_of(runs: list[RunRecord], results: Path) -> ToolSchemas:
    (tools_hash,) = {run.tools_hash for run in runs}
    tools = read_tools([results], tools_hash)
    assert tools is not None
    return tools


def test_the_example_is_judged_and_a_changed_tool_makes_runs_incomparable_in_words(
    tmp_path: Path, capsys: Any
) -> None:
    """Whoever reads "not comparable" at night has to see what to look at."""
    folder = copied("mcp_tools", tmp_path)
    config = folder / "assay.yaml"
    config.write_text(config.read_text().replace("python3", sys.executable))
    plan, before, runs = evaluated(folder)
    assert len(runs) == 2 * 6 * 5
    assert judged(plan, runs).judgement.verdict == "reject"
    patient, broad = ([run for run in runs if run.prompt_version == v] for v in ("v1", "v2"))
    denied = [[run for run in arm if run.denied_tool_calls] for arm in (patient, broad)]
    assert len(denied[0]) <= 3 < 20 <= len(denied[1])
    assert {run.stop_reason for arm in denied for run in arm} == {"tool_denied"}
    assert all(run.tool_calls_by_tool.get("shop.search", 0) <= 3 for run in runs)
    results = before.path.parent
    assert "shop.cancel_order" not in tools_of(runs, results)

    server = folder / "server.py"
    server.write_text(server.read_text().replace("order_id: str", "number: str", 1))
    server.write_text(server.read_text().replace("order_id[:80]", "number[:80]"))
    server.write_text(server.read_text().replace("ORDERS.get(order_id", "ORDERS.get(number"))
    _, after, later = evaluated(folder, repeats=1)
    assert changed_tools(after, config=config, tools=tools_of(later, results)) == (
        f"the tools have changed since {before.evaluation_id}: {GAINED}; {LOST}"
    )
    assert changed_tools(before, config=config, tools=tools_of(runs, results)) is None

    ids = [prompt.prompt_id for prompt in plan.prompts]
    tonight = read_runs(sorted(after.runs.iterdir()))
    kept = beside(before, tonight, prompt_ids=ids, is_promotion=False)
    assert kept is not None
    assert len(kept.differing) == 1
    assert kept.differing[0].endswith(f"({GAINED}; {LOST})")

    log = results / "both.parquet"
    write_runs(
        log,
        [run for run in runs if run.prompt_version == "v1"]
        + [run for run in later if run.prompt_version == "v2"],
    )
    arms = ["--baseline", ids[0], "--candidate", ids[1]]
    assert main(["compare", str(log), *arms, "-c", str(config)]) == 3
    assert LOST in " ".join(capsys.readouterr().out.split())
    children = [each.as_dict(["cmdline"])["cmdline"] for each in psutil.Process().children()]
    assert not [words for words in children if words and "server.py" in words]
