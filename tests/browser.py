"""Where the machine's Chromium is, how it is started, and the rules that look for barriers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import axe_playwright_python
import pytest
from django.db import connections
from playwright.sync_api import Browser, expect, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", shutil.which("chromium") or "")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
# The machine may be busy with the other tests; what never comes fails all the same.
expect.set_options(timeout=20_000)
NEEDS_CHROMIUM = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
]


@contextmanager
def launched() -> Iterator[Browser]:
    """Run Debian's Chromium; the database may be asked while its event loop runs."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
        # While a loop runs Django keeps other connections, which nobody would close after it.
        connections.close_all()
