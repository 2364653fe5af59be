"""The house's rules about imports, settings and wording hold in every file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from importlinter.cli import lint_imports

from config.celery import app

ROOT = Path(settings.BASE_DIR)
# Spelled in pieces, so that this file does not hold what it looks for.
FORBIDDEN = {
    "a path of one machine": r"(?<![\w.])/(?:home|ro" + r"ot|Users|wo" + r"rk)/\w",
    "a folder beside the checkout": r"\.\./sha" + "red",
    "a package registry's host": r"pypi\." + r"org|python" + r"hosted|registry\." + "npmjs",
    "an unfinished mark": r"\b(?:TO" + "DO|FIX" + "ME|XX" + "X)\\b|\\bfor n" + "ow\\b",
}
ALLOWED = {("a folder beside the checkout", "tests/conftest.py")}
BINARY = {".gif", ".ico", ".jpg", ".mo", ".pdf", ".png", ".woff2"}
MADE = {"__pycache__", "build", "htmlcov", "staticfiles", "test-results", "var"}


def project_files(folder: Path = ROOT) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in MADE and (path.name == ".ci" or path.name[0] != "."):
                yield from project_files(path)
        elif path.suffix not in BINARY and path.name != ".coverage":
            yield path


def settings_read() -> set[str]:
    tree = ast.parse((ROOT / "config" / "settings.py").read_text())
    return {
        call.args[0].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and ast.unparse(call.func).split(".")[0] == "env"
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def test_imports_lead_downward_only(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0


def test_every_setting_that_the_environment_may_set_is_documented():
    documented = (ROOT / "docs" / "configuration.md").read_text()
    names = settings_read()
    assert "DATABASE_URL" in names
    assert {name for name in names if f"`{name}`" not in documented} == set()


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what):
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in project_files()
        if (what, str(path.relative_to(ROOT))) not in ALLOWED
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_every_sweep_is_a_task_and_expires_before_the_next_one():
    app.loader.import_default_modules()
    for name, sweep in app.conf.beat_schedule.items():
        assert sweep["task"] in app.tasks, name
        assert sweep["options"]["expires"] < sweep["schedule"], name


def test_no_task_is_left_without_a_sweep():
    app.loader.import_default_modules()
    swept = {sweep["task"] for sweep in app.conf.beat_schedule.values()}
    own = {name for name in app.tasks if name.startswith("outcomes.")}
    assert own - swept <= {"outcomes.tasks.prune_broker_folder"}
