"""What is deployed: the same file in every clone, made out for one config and one server."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from assay.server.deployments import (
    HOME,
    Deployment,
    deployments,
    differences,
    is_as_written,
    write,
)
from assay.server.service import Service, reached
from tests.conftest import ROOT, Workspace, copy_sample

ELSEWHERE = {"PREFECT_API_URL": "https://prefect.example/api", "PREFECT_API_KEY": "pnu_secret"}


def service(workspace: Path, name: str = "assay.yaml") -> Service:
    """On a server that others use too."""
    found = reached(workspace / name, None, ELSEWHERE)
    assert found is not None
    return found


def as_deployed(wanted: Deployment, config: Path) -> dict[str, Any]:
    """As the API describes a deployment that is as it should be."""
    source = (ROOT / wanted.entrypoint.partition(":")[0]).read_bytes()
    step = "prefect.deployments.steps.set_working_directory"
    return {
        "entrypoint": wanted.entrypoint,
        "version": hashlib.md5(source).hexdigest(),
        "parameters": {"config": str(config)},
        "pull_steps": [{step: {"directory": str(HOME)}}],
        "parameter_openapi_schema": {
            "properties": {"candidate": {"enum": [f"support:v{n}" for n in (12, 13, 14, 15)]}}
        },
    }


def test_prefect_yaml_names_no_folder_and_only_flows_that_are_there() -> None:
    """It is committed, and must hold in a fresh clone in any folder."""
    text = (ROOT / "prefect.yaml").read_text()
    assert str(ROOT) not in text
    for entry in yaml.safe_load(text)["deployments"]:
        assert (ROOT / entry["entrypoint"].partition(":")[0]).is_file()
        assert entry["parameters"]["config"] == "{{ here.stdout }}/assay.yaml"


def test_each_deployment_has_the_path_of_its_own_config(workspace: Workspace) -> None:
    """A flow must never switch the config of the folder it happens to run in."""
    here = service(workspace())
    wanted = deployments(here)
    assert {deployment.entrypoint for deployment in wanted} >= {
        "flows/evaluate.py:evaluate",
        "flows/switch.py:rollback",
        "flows/canary.py:canary_watch",
    }
    for deployment in wanted:
        assert deployment.fields["parameters"]["config"] == str(here.config)


def test_on_a_shared_server_two_workspaces_meet_in_no_name(tmp_path: Path) -> None:
    """Prefect would overwrite the one's deployment, and run it on the other's worker."""
    ours, theirs = (service(copy_sample(tmp_path / name / "desk")) for name in ("a", "b"))
    assert ours.pool != theirs.pool
    names = [{found.full_name for found in deployments(each)} for each in (ours, theirs)]
    assert not names[0] & names[1]


def test_a_second_agent_in_the_same_folder_has_names_of_its_own(workspace: Workspace) -> None:
    """`-c other.yaml` must not take over the deployments of assay.yaml."""
    folder = workspace()
    (folder / "other.yaml").write_bytes((folder / "assay.yaml").read_bytes())
    first, second = service(folder), service(folder, "other.yaml")
    assert first.pool == second.pool  # one worker for both
    assert first.deployment_name("evaluate") != second.deployment_name("evaluate")


def test_a_workspaces_own_prefect_yaml_wins_and_its_other_flows_are_left_alone(
    workspace: Workspace,
) -> None:
    """A team changes the schedule there; it may also hold flows that have nothing to do with us."""
    folder = workspace()
    entries = [
        {"name": "etl", "entrypoint": "flows/etl.py:etl"},
        {"name": "late", "entrypoint": "flows/evaluate.py:evaluate", "tags": ["ours"]},
    ]
    (folder / "prefect.yaml").write_text(yaml.safe_dump({"deployments": entries}))
    (found,) = deployments(service(folder))
    assert found.full_name.startswith("evaluate/late")
    assert found.fields["tags"] == ["ours"]


def test_a_deployment_as_it_should_be_differs_in_nothing(workspace: Workspace) -> None:
    """Deploying anew undoes what somebody set in the UI: it is done only when needed."""
    here = service(workspace())
    for wanted in deployments(here):
        assert differences(wanted, as_deployed(wanted, here.config), here.config) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"entrypoint": "flows/old.py:evaluate"}, "runs flows/old.py:evaluate"),
        ({"version": "0" * 32}, "parameters of another version"),
        ({"parameters": {"config": "/other/assay.yaml"}}, "is for /other/assay.yaml"),
        ({"pull_steps": None, "path": "/old/checkout"}, "runs in /old/checkout"),
    ],
)
def test_an_old_deployment_is_told(workspace: Workspace, change: dict[str, Any], says: str) -> None:
    """An old checkout, or another folder's config, would be run without a word."""
    here = service(workspace())
    wanted = deployments(here)[0]
    found = as_deployed(wanted, here.config) | change
    (difference,) = differences(wanted, found, here.config)
    assert says in difference


def test_a_version_added_since_is_told(workspace: Workspace) -> None:
    """The form in the UI would not offer it, and the server refuse it."""
    here = service(workspace())
    wanted = deployments(here)[0]
    found = as_deployed(wanted, here.config)
    (here.config.parent / "prompts" / "support" / "v16.md").write_text("Answer.")
    assert differences(wanted, found, here.config) == [
        "offers other prompt versions than there are"
    ]


def test_a_changed_prefect_yaml_is_told(workspace: Workspace) -> None:
    """A new schedule must not wait for somebody to think of deploying it."""
    here = service(workspace())
    wanted = deployments(here)
    here.folder.mkdir(parents=True)
    write(here, wanted)
    assert is_as_written(here, wanted)
    assert not is_as_written(here, wanted[:1])


def test_no_secret_is_written_or_shown(workspace: Workspace) -> None:
    """The key of a shared server is for the environment alone."""
    here = service(workspace())
    here.folder.mkdir(parents=True)
    write(here, deployments(here))
    written = b"".join(path.read_bytes() for path in here.folder.iterdir())
    assert b"pnu_secret" not in written
    assert "pnu_secret" not in repr(here) + repr(here.api)
