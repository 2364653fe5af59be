"""What every template of a kind must carry."""

from __future__ import annotations

import re
from pathlib import Path

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"


def test_every_summary_of_errors_is_announced_and_takes_the_focus():
    summaries = {
        f"{file.relative_to(TEMPLATES)}: {tag}"
        for file in TEMPLATES.rglob("*.html")
        for tag in re.findall(r'<[^>]*class="error-summary"[^>]*>', file.read_text())
    }
    assert len(summaries) > 5
    wanted = ('role="alert"', 'tabindex="-1"', "autofocus")
    assert [tag for tag in sorted(summaries) if not all(word in tag for word in wanted)] == []
