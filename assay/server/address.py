"""Which API Prefect would use by itself, read without importing Prefect.

A user who named a server anywhere that Prefect looks (environment, `.env`,
`prefect.toml`, `pyproject.toml`, the active profile) gets that one, and none of ours
is started. Importing Prefect only to ask would cost two seconds.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.errors import InputError

_DOTENV_LINE = re.compile(r"^\s*(?:export\s+)?(PREFECT_\w+)\s*=\s*(.*?)\s*$", re.MULTILINE)


_CONNECTION = {
    "PREFECT_API_URL": "url",
    "PREFECT_API_KEY": "key",
    "PREFECT_API_AUTH_STRING": "auth_string",
}
"""What is needed to reach a server: the variable, and its name in the table `api` of a file."""


def api_url_from_outside(environ: Mapping[str, str], *, folder: Path | None = None) -> str | None:
    """The `PREFECT_API_URL` that is set outside of Assay, in Prefect's order of precedence.

    An environment variable that is set but empty means "no URL" here as it does to
    Prefect, so `PREFECT_API_URL= assay evaluate ...` passes over a profile.

    Args:
        environ: The environment, as `os.environ`.
        folder: Where Prefect looks for its files; the working directory when None.

    Raises:
        InputError: `prefect.toml` or `pyproject.toml` is not TOML (Prefect would crash on it).
    """
    return connection_from_outside(environ, folder=folder).get("PREFECT_API_URL")


def connection_from_outside(
    environ: Mapping[str, str], *, folder: Path | None = None
) -> dict[str, str]:
    """Address, key and authentication string that are set outside of Assay, as variables.

    Args and Raises are those of `api_url_from_outside`.
    """
    folder = Path.cwd() if folder is None else folder
    if environ.get("PREFECT_API_URL") == "":
        return {}
    dotenv = _read_dotenv(folder / ".env")
    prefect_toml = _read_toml(folder / "prefect.toml")
    pyproject = _at(_read_toml(folder / "pyproject.toml"), "tool", "prefect")
    path = (
        environ.get("PREFECT_PROFILES_PATH")
        or dotenv.get("PREFECT_PROFILES_PATH")
        or prefect_toml.get("profiles_path")
        or pyproject.get("profiles_path")
        or _prefect_home(environ) / "profiles.toml"
    )
    profile = _active_profile(folder / path, environ)
    found = {}
    for variable, key in _CONNECTION.items():
        candidates = (
            environ.get(variable),
            dotenv.get(variable),
            _at(prefect_toml, "api").get(key),
            _at(pyproject, "api").get(key),
            profile.get(variable),
        )
        if (value := next((str(value) for value in candidates if value), None)) is not None:
            found[variable] = value
    return found


def _active_profile(path: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """Settings of the profile that is switched on; without a profiles file, none."""
    try:
        profiles = _read_toml(path)
    except InputError:
        return {}  # Prefect only warns about a broken profiles file, and then ignores it
    active = environ.get("PREFECT_PROFILE") or profiles.get("active")
    return _at(profiles, "profiles", str(active))


def _prefect_home(environ: Mapping[str, str]) -> Path:
    if home := environ.get("PREFECT_HOME"):
        return Path(home)
    return Path(environ.get("HOME") or Path.home()) / ".prefect"


def _read_dotenv(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    pairs = _DOTENV_LINE.findall(path.read_text(encoding="utf-8", errors="replace"))
    return {name: _unquoted(value) for name, value in pairs}


def _unquoted(value: str) -> str:
    quoted = re.match(r"""(['"])(.*?)\1""", value)
    return quoted.group(2) if quoted else re.sub(r"\s+#.*", "", value)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return {}
    except ValueError as error:  # not TOML, or not UTF-8
        raise InputError(
            f"not a TOML file: {error}",
            path=path,
            mend="correct it: Prefect reads its settings from it",
        ) from error


def _at(tree: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The table under `keys`; an absent one is empty."""
    for key in keys:
        branch = tree.get(key)
        if not isinstance(branch, dict):
            return {}
        tree = branch
    return tree
