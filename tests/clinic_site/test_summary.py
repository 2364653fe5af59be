"""One patient on one sheet of paper."""

from __future__ import annotations

import re
import sys
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from django.test import Client

from outcomes.audit.models import AuditEvent
from outcomes.care.models import Patient
from outcomes.clinics.models import Clinic, User
from outcomes.reports import paper, summary
from outcomes.reports.summary import ROOMS, Summary
from tests.clinic_site.conftest import World

SIZES = ("a4", "letter")


@pytest.fixture
def _pango() -> None:
    pytest.importorskip("weasyprint", exc_type=OSError, reason="Pango is not installed")


@pytest.fixture
def laid_out(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """Collect how many pages each version of a sheet took, and its words."""
    from outcomes.reports import press

    seen: list[tuple[int, str]] = []
    lay_out = press._laid_out

    def note(html: str) -> object:
        document = lay_out(html)
        seen.append((len(document.pages), html))
        return document

    monkeypatch.setattr(press, "_laid_out", note)
    return seen


def fill(monkeypatch: pytest.MonkeyPatch, change: Callable[[Summary], Summary]) -> None:
    build = summary.build
    monkeypatch.setattr(summary, "build", lambda *args, **named: change(build(*args, **named)))


def crowded(whole: Summary) -> Summary:
    """Return the same with as much of everything as a course of years has."""
    session = whole.held[0]
    session.drug, session.dose_unit = "Racemic ketamine hydrochloride " * 2, "mg, as recorded"
    asked = replace(whole.asked[0], answers=whole.asked[0].answers * 8, count=400)
    chart = whole.trajectory.chart
    return replace(
        whole,
        trajectory=replace(whole.trajectory, chart=replace(chart, panels=chart.panels * 8)),
        measures=whole.measures * 8,
        held=(session,) * 90,
        asked=(asked,) * 4,
        raised=whole.raised * 4,
        alert_count=37,
    )


@pytest.mark.usefixtures("_pango")
def test_the_sheet_is_one_page_in_both_sizes_and_its_reading_is_recorded(
    world: World, as_clinician: Client, laid_out: list[tuple[int, str]]
) -> None:
    for size in SIZES:
        reply = as_clinician.get(world.url("patient_summary_pdf"), {"size": size})
        assert reply["Content-Type"] == "application/pdf"
        assert reply.content.startswith(b"%PDF")
        assert "Example" not in reply["Content-Disposition"]
    assert [pages for pages, _ in laid_out] == [1, 1]
    assert AuditEvent.objects.filter(data__page="summary_pdf").count() == 2


@pytest.mark.usefixtures("_pango")
@pytest.mark.parametrize("size", SIZES)
def test_a_full_record_with_long_names_still_fits_and_says_what_was_left_out(
    size: str,
    world: World,
    as_clinician: Client,
    laid_out: list[tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Patient.objects.update(given_name="Maximiliane" * 9, family_name="W" * 100)
    Clinic.objects.update(name="Harbour " * 14)
    User.objects.update(name="Featherstonehaugh " * 8)
    fill(monkeypatch, crowded)

    as_clinician.get(world.url("patient_summary_pdf"), {"size": size})

    assert [pages == 1 for pages, _ in laid_out] == [False] * (len(laid_out) - 1) + [True]
    room, words = ROOMS[len(laid_out) - 1], laid_out[-1][1]
    assert f"the last {room.sessions} of 90" in words
    assert f"the last {room.answers} of 400" in words
    assert f"the last {room.alerts} of 37" in words
    assert re.search(rf"{room.panels} of \d+ questionnaires are charted", words)
    assert re.search(rf"{room.measures} of \d+ are listed", words)


@pytest.mark.usefixtures("_pango")
def test_a_page_that_fits_no_sheet_is_made_whole_and_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    long = f'<html lang="en"><title>t</title>{"<p>Robin</p>" * 200}</html>'
    assert paper.pdf_of([long]).startswith(b"%PDF")
    assert "did not fit one sheet" in caplog.text
    assert "Robin" not in caplog.text


def test_the_page_shows_its_chart_under_a_policy_that_shuts_out_pictures_of_its_own(
    world: World, as_clinician: Client
) -> None:
    page = as_clinician.get(world.url("patient_summary"))
    assert "img-src 'self';" in page["Content-Security-Policy"]
    assert "data:" not in page.content.decode()
    assert page.content.decode().count("<svg") == len(("wide", "narrow"))


def test_it_words_a_treatment_once_for_the_sessions_given_alike(
    world: World, as_clinician: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(monkeypatch, lambda whole: replace(whole, held=whole.held[:1] * 2))
    page = as_clinician.get(world.url("patient_summary")).content.decode()
    one = r"3 \(\d+ \w+ \d{4}\)"
    assert re.search(rf"</strong> Ketamine Intravenous 40 mg: {one}, {one}</p>", page)


def test_the_page_prints_from_the_browser_where_no_pdf_can_be_made(
    world: World, as_clinician: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_pages: object) -> bytes:
        raise paper.NoPaperError

    monkeypatch.setattr(paper, "pdf_of", fail)
    page = as_clinician.get(world.url("patient_summary_pdf"), follow=True)
    assert "A PDF needs Pango on the server" in page.content.decode()
    assert "It does not advise." in page.content.decode()


def test_a_server_without_pango_says_so_in_one_kind_of_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """WeasyPrint's own import fails like this where the library is not installed."""

    class NoPango:
        def find_spec(self, name: str, *_: object) -> None:
            if name.partition(".")[0] == "weasyprint":
                raise OSError("cannot load library 'libpango-1.0-0'")

    for name in [name for name in sys.modules if name.startswith("weasyprint")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "outcomes.reports.press", raising=False)
    monkeypatch.delattr("outcomes.reports.press", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoPango(), *sys.meta_path])
    with pytest.raises(paper.NoPaperError):
        paper.pdf_of(["<p>x</p>"])


@pytest.mark.usefixtures("_pango")
def test_nothing_is_fetched_for_it_and_the_log_names_no_address(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    class Listening(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    secret = tmp_path / "secret.svg"
    secret.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    server = ThreadingHTTPServer(("127.0.0.1", 0), Listening)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        for address in (f"http://127.0.0.1:{server.server_port}/robin", secret.as_uri()):
            caplog.clear()
            made = paper.pdf_of([page_that_asks_for(address)])
            assert made.startswith(b"%PDF")
            assert f"asked for a {address.partition(':')[0]}: address" in caplog.text
            assert "robin" not in caplog.text
            assert "secret" not in caplog.text
            assert "base64" not in caplog.text
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []


def page_that_asks_for(address: str) -> str:
    """Return a page that wants an address in every way a page can."""
    inner = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="9" height="9"><image width="9" height="9" xlink:href="{address}"/></svg>'
    )
    packed = b64encode(inner.encode()).decode()
    return (
        f'<html lang="en"><head><title>t</title><link rel="stylesheet" href="{address}">'
        f'<style>@import url("{address}"); @font-face {{ font-family: x; src: url("{address}") }}'
        f'body {{ font-family: x; background: url("{address}") }}</style></head><body>'
        f'<img alt="x" src="{address}"><object data="{address}"></object>'
        f'<a rel="attachment" href="{address}">x</a>'
        f'<img alt="x" src="data:image/svg+xml;base64,{packed}">'
        '<img alt="x" src="data:image/svg+xml;base64,cm9iaW4="></body></html>'
    )
