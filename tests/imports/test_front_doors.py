"""The command and the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from outcomes.audit.models import AuditEvent
from outcomes.clinic_site import files
from outcomes.clinics.access import Role
from outcomes.clinics.models import Clinic, User
from outcomes.responses.models import QuestionnaireResponse
from tests.conftest import make_member, signed_in
from tests.imports.conftest import FILE, MAP, counts

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the file and its map."""
    (tmp_path / "scores.csv").write_bytes(FILE)
    (tmp_path / "map.json").write_text(json.dumps(MAP))
    return tmp_path


def command(folder: Path, clinic: str = "north", **options: Any) -> None:
    call_command(
        "import_scores", str(folder / "scores.csv"), clinic=clinic,
        map=options.pop("map", folder / "map.json"), **options,
    )  # fmt: skip


def test_the_command_imports_and_says_what_it_did(
    clinic: Clinic, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(folder, dry_run=True)
    assert "Nothing was written: this was a dry run." in capsys.readouterr().out
    assert not QuestionnaireResponse.objects.exists()
    command(folder)
    assert capsys.readouterr().out.splitlines() == [
        "Patients: 2 new, 0 known.",
        "BDI-II total: 2 new, 0 known, 1 empty cells skipped.",
        "WHO-5 total: 2 new, 0 known, 1 empty cells skipped.",
        "4 questionnaires were imported.",
    ]
    assert QuestionnaireResponse.objects.count() == 4


def test_the_command_refuses_with_status_2_and_writes_nothing(clinic: Clinic, folder: Path) -> None:
    before = counts()
    (folder / "scores.csv").write_bytes(FILE.replace(b"33", b"99"))
    with pytest.raises(CommandError) as refusal:
        command(folder)
    assert refusal.value.returncode == 2
    assert str(refusal.value).splitlines() == [
        "row 2, column bdi: “99” is above 63, the most BDI-II total can be.",
        "Nothing was imported.",
    ]
    assert counts() == before


def test_the_command_names_fifty_problems_and_counts_the_rest(clinic: Clinic, folder: Path) -> None:
    rows = "".join(f"{n},2025-01-10,99,1\n" for n in range(53))
    (folder / "scores.csv").write_text("id,on,bdi,who\n" + rows)
    with pytest.raises(CommandError) as refusal:
        command(folder)
    said = str(refusal.value).splitlines()
    assert len([line for line in said if line.startswith("row ")]) == 50
    assert said[50:] == ["... and 3 more.", "Nothing was imported."]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"clinic": "nowhere"}, "There is no clinic “nowhere”."),
        ({"map": Path("/no/map.json")}, "/no/map.json cannot be read: No such file or directory."),
    ],
)
def test_the_command_says_in_one_sentence_what_it_lacks(
    clinic: Clinic, folder: Path, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CommandError) as refusal:
        command(folder, **options)
    assert (str(refusal.value), refusal.value.returncode) == (sentence, 2)


def upload(client: Client, clinic: Clinic, content: bytes = FILE, **changes: Any) -> Any:
    chosen = {
        "file": SimpleUploadedFile("scores.csv", content),
        "map": SimpleUploadedFile("map.json", json.dumps(MAP | changes).encode()),
    }
    return client.post(reverse("clinic_site:import", args=[clinic.slug]), chosen)


def test_an_admin_sees_what_would_happen_and_confirms_it(clinic: Clinic, admin: User) -> None:
    client, url = signed_in(admin), reverse("clinic_site:import", args=[clinic.slug])
    assert client.get(url).status_code == 200
    before = counts()
    shown = upload(client, clinic, citation="Somebody 2020")
    page = shown.content.decode()
    assert "Import 4 questionnaires" in page
    assert "Somebody 2020" in page
    assert counts() == before
    done = client.post(url, {"confirmed": shown.context["parcel"]}, follow=True)
    assert "4 questionnaires were imported; 2 patients are new." in done.content.decode()
    assert QuestionnaireResponse.objects.count() == 4
    assert AuditEvent.objects.get(action="import.made").actor_id == str(admin.pk)
    again = upload(client, clinic).content.decode()
    assert "There is nothing new in this file." in again


def test_a_second_press_imports_nothing_twice(clinic: Clinic, admin: User) -> None:
    client, url = signed_in(admin), reverse("clinic_site:import", args=[clinic.slug])
    parcel = upload(client, clinic).context["parcel"]
    for _ in range(2):
        assert client.post(url, {"confirmed": parcel}).status_code == 302
    assert QuestionnaireResponse.objects.count() == 4


def test_the_page_names_what_is_wrong(clinic: Clinic, admin: User) -> None:
    before = counts()
    page = upload(signed_in(admin), clinic, FILE.replace(b"33", b"<b>")).content.decode()
    assert "row 2, column bdi: “&lt;b&gt;” is not a number." in page
    page = upload(signed_in(admin), clinic, b"").content.decode()
    assert "The file is empty." in page
    page = upload(signed_in(admin), clinic, title="").content.decode()
    assert "Map: title:" in page
    assert counts() == before


def test_the_page_takes_no_larger_file_than_it_can_pass_on(clinic: Clinic, admin: User) -> None:
    page = upload(signed_in(admin), clinic, FILE.ljust(1_500_001, b"\n"))
    assert "This file is larger than 1.5 MB." in page.content.decode()
    assert "parcel" in upload(signed_in(admin), clinic, FILE.ljust(1_500_000, b"\n")).context


def test_nobody_confirms_what_they_were_not_shown(clinic: Clinic, admin: User) -> None:
    url = reverse("clinic_site:import", args=[clinic.slug])
    parcel = upload(signed_in(admin), clinic).context["parcel"]
    other = signed_in(make_member(clinic, Role.CLINIC_ADMIN, "Abe"))
    for client, sent in ((other, parcel), (signed_in(admin), parcel[:-1] + "x")):
        page = client.post(url, {"confirmed": sent}, follow=True).content.decode()
        assert "more than an hour old" in page
    assert not QuestionnaireResponse.objects.exists()


def test_an_old_preview_is_not_confirmed(
    clinic: Clinic, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, url = signed_in(admin), reverse("clinic_site:import", args=[clinic.slug])
    parcel = upload(client, clinic).context["parcel"]
    monkeypatch.setattr(files, "AN_HOUR", -1)
    client.post(url, {"confirmed": parcel})
    assert not QuestionnaireResponse.objects.exists()


def test_a_file_overtaken_by_another_import_is_refused_at_the_end(
    clinic: Clinic, admin: User
) -> None:
    client, url = signed_in(admin), reverse("clinic_site:import", args=[clinic.slug])
    parcel = upload(client, clinic).context["parcel"]
    other = upload(client, clinic, FILE.replace(b"33", b"30")).context["parcel"]
    client.post(url, {"confirmed": other})
    page = client.post(url, {"confirmed": parcel}).content.decode()
    assert "row 2, column bdi: 33 contradicts 30 imported before" in page
    assert QuestionnaireResponse.objects.count() == 4
