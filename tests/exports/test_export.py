"""Exports leave a trace, from the page and from the command."""

from __future__ import annotations

import io
import json
import stat
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.audit.services import find_breaks
from outcomes.clinics.models import Clinic, User
from outcomes.exports import services
from outcomes.exports.services import export
from outcomes.exports.tables import SCORES, TABLES
from outcomes.workflows import Enrolment
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db


def trace(clinic: Clinic) -> list[tuple[str, dict[str, Any]]]:
    events = AuditEvent.objects.filter(clinic_id=clinic.pk, action__startswith="export.")
    return list(events.order_by("number").values_list("action", "data"))


def test_an_export_is_recorded_before_it_leaves_and_when_it_is_done(
    history: Enrolment, clinic: Clinic, now: datetime
) -> None:
    blocks = export(table=SCORES, clinic=clinic, by=SYSTEM, now=now, since=now.date())
    assert trace(clinic) == []
    started = {"table": "scores", "format": "csv", "filters": {"since": "2026-02-02"}}
    first = next(blocks)
    assert first.startswith(b"patient_key,")
    assert trace(clinic) == [("export.started", started)]
    assert list(blocks) == []
    assert trace(clinic)[1] == ("export.made", started | {"rows": 3, "is_complete": True})
    assert list(find_breaks(clinic.pk)) == []


def test_an_export_that_nobody_reads_to_the_end_is_recorded_as_such(
    history: Enrolment, clinic: Clinic, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "_BLOCK", 1)
    blocks = export(table=SCORES, clinic=clinic, by=SYSTEM, now=now)
    next(blocks), next(blocks)
    blocks.close()
    assert trace(clinic)[1][1] == {
        "table": "scores", "format": "csv", "filters": {}, "rows": 1, "is_complete": False,
    }  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_an_admin_downloads_a_table(
    history: Enrolment, clinic: Clinic, admin: User, table: str
) -> None:
    url = reverse("clinic_site:export_file", args=[clinic.slug])
    response = signed_in(admin).post(url, {"table": table})
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert f"north-{table}-" in response["Content-Disposition"]
    assert response["Cache-Control"] == "no-store"
    header = b"".join(response.streaming_content).decode().splitlines()[0]  # type: ignore[attr-defined]
    assert header == ",".join(column.name for column in TABLES[table].columns)
    assert [action for action, _ in trace(clinic)] == ["export.started", "export.made"]
    assert AuditEvent.objects.get(action="export.made").actor_id == str(admin.pk)


def test_the_page_offers_tables_and_codebook(clinic: Clinic, admin: User) -> None:
    page = signed_in(admin).get(reverse("clinic_site:export", args=[clinic.slug]))
    assert page.status_code == 200
    for table in TABLES:
        assert f'value="{table}"' in page.content.decode()
    assert reverse("clinic_site:codebook", args=[clinic.slug]) in page.content.decode()
    assert trace(clinic) == []


def test_a_span_that_ends_before_it_begins_is_refused(clinic: Clinic, admin: User) -> None:
    url = reverse("clinic_site:export_file", args=[clinic.slug])
    days = {"table": "scores", "since": "2026-02-02", "until": "2026-02-01"}
    page = signed_in(admin).post(url, days)
    assert "This is before the first day." in page.content.decode()
    assert trace(clinic) == []


def test_the_codebook_can_be_had_as_csv_and_as_json(clinic: Clinic, admin: User) -> None:
    client, url = signed_in(admin), reverse("clinic_site:codebook", args=[clinic.slug])
    assert client.get(url).content.startswith(b"part,of,content_hash,")
    assert json.loads(client.get(url, {"form": "json"}).content)["tables"]["scores"]


@pytest.mark.parametrize("name", ["export", "export_file", "codebook", "import"])
def test_only_clinic_admins_of_the_clinic_move_data(
    name: str, clinic: Clinic, clinician: User, care_team: User, stranger: User
) -> None:
    url = reverse(f"clinic_site:{name}", args=[clinic.slug])
    for user, status in ((clinician, 403), (care_team, 403), (stranger, 404)):
        client = signed_in(user)
        assert client.get(url).status_code == status
        assert client.post(url, {"table": "scores"}).status_code == status
    assert trace(clinic) == []


def test_nothing_is_downloaded_by_following_a_link(clinic: Clinic, admin: User) -> None:
    url = reverse("clinic_site:export_file", args=[clinic.slug])
    assert signed_in(admin).get(url, {"table": "scores"}).status_code == 405


def test_the_command_writes_the_same_file_and_a_codebook(
    history: Enrolment, clinic: Clinic, now: datetime, tmp_path: Path
) -> None:
    output, book = tmp_path / "scores.csv", tmp_path / "codebook.json"
    call_command("export", "scores", clinic="north", output=str(output), codebook=str(book))
    assert output.read_bytes() == b"".join(export(table=SCORES, clinic=clinic, by=SYSTEM, now=now))
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert "scores" in json.loads(book.read_text())["tables"]
    assert {path.name for path in tmp_path.iterdir()} == {"scores.csv", "codebook.json"}
    made = AuditEvent.objects.filter(action="export.made").order_by("number")
    assert [event.actor_label for event in made] == ["manage.py export", SYSTEM.label]


def test_without_a_name_the_codebook_stands_beside_the_file(
    history: Enrolment, tmp_path: Path
) -> None:
    call_command("export", "answers", clinic="north", output=str(tmp_path / "answers.csv"))
    assert (tmp_path / "answers.codebook.csv").read_text().startswith("part,of,")


def test_the_command_writes_to_standard_output(
    history: Enrolment, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw))
    call_command("export", "sessions", clinic="north", output="-")
    assert raw.getvalue().count(b"Ketamine") == 2


def test_an_export_that_fails_leaves_no_file(
    history: Enrolment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(services, "lines", broken)
    with pytest.raises(RuntimeError):
        call_command("export", "scores", clinic="north", output=str(tmp_path / "scores.csv"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"clinic": "nowhere"}, "There is no clinic “nowhere”."),
        ({"output": "/no/such/folder/x.csv"}, "/no/such/folder/x.csv cannot be written: "),
        ({"codebook": "book.txt"}, "The codebook's name must end in .csv or .json."),
    ],
)
def test_the_command_refuses_in_one_sentence(
    clinic: Clinic, tmp_path: Path, options: dict[str, str], sentence: str
) -> None:
    given = {"clinic": "north", "output": str(tmp_path / "x.csv"), **options}
    with pytest.raises(CommandError) as refusal:
        call_command("export", "scores", **given)
    assert str(refusal.value).startswith(sentence)
    assert refusal.value.returncode == 2
    assert list(tmp_path.iterdir()) == []
