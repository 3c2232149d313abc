"""A folder to import into."""

from pathlib import Path

import pytest

from tests.intake.importing import CONFIG, Importer


@pytest.fixture
def importer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Importer:
    monkeypatch.chdir(tmp_path)
    Path("assay.yaml").write_text(CONFIG)
    return Importer(capsys)
