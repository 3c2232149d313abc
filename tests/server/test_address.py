"""Whether a server is already named where Prefect would look."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assay.errors import InputError
from assay.server import api_url_from_outside

URL = "https://prefect.example/api"
PROFILES = f"""
active = "office"
[profiles.office]
PREFECT_API_URL = "{URL}"
[profiles.home]
PREFECT_LOGGING_LEVEL = "DEBUG"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".prefect").mkdir()
    return tmp_path


def test_nothing_set_means_no_server(home: Path) -> None:
    """Only then is one of ours started."""
    assert api_url_from_outside({"HOME": str(home)}, folder=home) is None


def test_the_environment_wins_over_all(home: Path) -> None:
    """As with Prefect itself."""
    (home / ".prefect" / "profiles.toml").write_text(PROFILES)
    (home / ".env").write_text("PREFECT_API_URL=http://other/api\n")
    environ = {"HOME": str(home), "PREFECT_API_URL": "http://mine/api"}
    assert api_url_from_outside(environ, folder=home) == "http://mine/api"


def test_an_empty_variable_passes_over_the_profile(home: Path) -> None:
    """The way to the workspace's own server for somebody with a profile."""
    (home / ".prefect" / "profiles.toml").write_text(PROFILES)
    environ = {"HOME": str(home), "PREFECT_API_URL": ""}
    assert api_url_from_outside(environ, folder=home) is None


def test_the_active_profile_counts(home: Path) -> None:
    """`prefect cloud login` leaves the address there and nowhere else."""
    (home / ".prefect" / "profiles.toml").write_text(PROFILES)
    assert api_url_from_outside({"HOME": str(home)}, folder=home) == URL
    other = {"HOME": str(home), "PREFECT_PROFILE": "home"}
    assert api_url_from_outside(other, folder=home) is None


@pytest.mark.parametrize("variable", ["PREFECT_HOME", "PREFECT_PROFILES_PATH"])
def test_a_profiles_file_elsewhere_counts(home: Path, variable: str) -> None:
    """Both variables move it."""
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    file = elsewhere / "profiles.toml"
    file.write_text(PROFILES)
    value = elsewhere if variable == "PREFECT_HOME" else file
    environ = {"HOME": str(home), variable: str(value)}
    assert api_url_from_outside(environ, folder=home) == URL


def test_a_broken_profiles_file_counts_for_nothing(home: Path) -> None:
    """Prefect warns about it and goes on; so do we."""
    (home / ".prefect" / "profiles.toml").write_text("active = ")
    assert api_url_from_outside({"HOME": str(home)}, folder=home) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env", f"# ours\nexport PREFECT_API_URL='{URL}'  # the office's\n"),
        (".env", f"PREFECT_API_URL = {URL} # the office's"),
        ("prefect.toml", f'[api]\nurl = "{URL}"\n'),
        ("pyproject.toml", f'[tool.prefect.api]\nurl = "{URL}"\n'),
        ("prefect.toml", 'profiles_path = "p.toml"\n'),
    ],
)
def test_files_of_the_working_directory_count(home: Path, name: str, text: str) -> None:
    """Prefect reads all of them before the profile."""
    (home / name).write_text(text)
    (home / "p.toml").write_text(PROFILES)
    assert api_url_from_outside({"HOME": str(home)}, folder=home) == URL


def test_a_broken_settings_file_is_the_users_to_mend(home: Path) -> None:
    """Prefect would fail on it later with a traceback."""
    (home / "prefect.toml").write_text("[api\n")
    with pytest.raises(InputError, match=r"prefect\.toml: not a TOML file"):
        api_url_from_outside({"HOME": str(home)}, folder=home)


ASK_PREFECT = """
import json, os, sys
from prefect.settings.models.root import Settings
for case in json.load(sys.stdin):
    os.environ.pop("PREFECT_API_URL", None)
    os.environ.update(case["environ"])
    os.chdir(case["folder"])
    print(Settings().api.url or None)
"""


@pytest.mark.slow
def test_prefect_itself_agrees(tmp_path: Path) -> None:
    """These rules are copied from Prefect: a new version of it may change them."""
    dotenv = 'PREFECT_API_URL="http://dotenv/api" # why'
    toml = '[api]\nurl = "http://toml/api"'
    project = '[tool.prefect.api]\nurl = "http://project/api"'
    cases = [
        place(tmp_path / "environment", {".env": dotenv}, PREFECT_API_URL="http://mine/api"),
        place(tmp_path / "empty", {}, PREFECT_API_URL=""),
        place(tmp_path / "dotenv", {".env": dotenv, "prefect.toml": toml}),
        place(tmp_path / "toml", {"prefect.toml": toml, "pyproject.toml": project}),
        place(tmp_path / "project", {"pyproject.toml": project}),
        place(tmp_path / "profile", {}),
    ]
    ours = [api_url_from_outside(case["environ"], folder=Path(case["folder"])) for case in cases]
    asked = subprocess.run(
        [sys.executable, "-c", ASK_PREFECT],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout.split() == [str(url) for url in ours]
    assert len(set(ours)) == len(cases)


def place(folder: Path, files: dict[str, str], **environ: str) -> dict[str, Any]:
    """A working directory with these files, and a profile that names a server."""
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / "profiles.toml").write_text(PROFILES)
    return {"folder": str(folder), "environ": {"PREFECT_HOME": str(folder), **environ}}
