"""What must answer at once imports little. Times are measured in bench/, not asserted here."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Workspace

HEAVY = {"prefect", "pydantic_ai", "pyarrow", "scipy", "numpy", "pandas", "aiohttp", "httpx"}
LIST = "; import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"

AT_WORK = """
from pathlib import Path
from assay.prompts import load_prompt, system_prompt, verify_lock
prompt = load_prompt(Path("prompts"), "support:v13")
verify_lock(Path("prompts"), prompt)
system_prompt(prompt)
from assay import prompts
client = prompts.open("assay.yaml")
with client.run(client.choose("user-1")) as run: run.report(total_tokens=1)
pass"""


def imported(code: str, workspace: Path, environ: dict[str, str]) -> set[str]:
    """Top-level modules that a fresh process has after some code."""
    ran = subprocess.run(
        [sys.executable, "-c", code + LIST],
        cwd=workspace,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(ran.stdout.splitlines()[-1].split())


def called(*arguments: str) -> str:
    """Code that calls the command line as its script does."""
    return (
        "from assay.cli import main\n"
        f"try: assert main({list(arguments)!r}) == 0\n"
        "except SystemExit as end: assert end.code == 0\n"
        "pass"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("evaluate", "--help"),
        ("status",),
        ("history",),
        ("rollback",),
        ("server", "status"),
    ],
    ids=" ".join,
)
def test_a_command_that_runs_nothing_imports_nothing_heavy(
    workspace: Workspace, clean_environ: dict[str, str], arguments: tuple[str, ...]
) -> None:
    """Two seconds of imports before `assay status` is two seconds of an incident."""
    modules = imported(called(*arguments), workspace(), clean_environ)
    assert "assay" in modules
    assert modules.isdisjoint(HEAVY)


def test_status_reads_productions_logs_with_nothing_heavy(
    workspace: Workspace, clean_environ: dict[str, str]
) -> None:
    """Our own run logs need no PyArrow; the look is as fast as the file is long."""
    here = workspace()
    imported(AT_WORK, here, clean_environ)
    modules = imported(called("status"), here, clean_environ)
    assert "sqlite3" in modules
    assert modules.isdisjoint(HEAVY)


def test_the_rollback_imports_none_of_what_may_be_broken(
    workspace: Workspace, clean_environ: dict[str, str]
) -> None:
    """A fault in the golden tasks' or the decision's code must not stand in its way."""
    code = called("rollback") + "; import sys; print(*[n for n in sys.modules if 'assay' in n])"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=workspace(),
        env=clean_environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    modules = set(ran.stdout.splitlines()[-1].split())
    assert "assay.live" in modules
    assert not any(
        name.startswith(("assay.golden", "assay.config", "assay.decision", "assay.store"))
        for name in modules
    )


def test_ending_a_canary_imports_nothing_heavy(
    workspace: Workspace, clean_environ: dict[str, str]
) -> None:
    """It is typed at the same hour as a rollback."""
    here = workspace()
    with (here / "assay.yaml").open("a") as config:
        config.write("rollout: {canary: {version: 'support:v14', share: 0.1}}\n")
    modules = imported(called("canary", "stop"), here, clean_environ)
    assert modules.isdisjoint(HEAVY)
    assert "version: null, share: 0.0}" in (here / "assay.yaml").read_text()


def test_production_agents_import_the_standard_library_and_pyyaml_only(
    workspace: Workspace, clean_environ: dict[str, str]
) -> None:
    """`import assay.prompts` happens in every production process: no new dependency there."""
    here = workspace()
    with_yaml = imported("import yaml", here, clean_environ)
    new = imported(AT_WORK, here, clean_environ) - with_yaml
    assert new - sys.stdlib_module_names == {"assay"}
