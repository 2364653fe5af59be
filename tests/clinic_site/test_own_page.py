"""What staff see and do about a patient's own page."""

from __future__ import annotations

import pytest
from django.test import Client

from outcomes import workflows
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.care.models import Patient
from outcomes.clinics.models import User
from outcomes.delivery.models import OwnPage
from tests.conftest import NOW, signed_in


@pytest.fixture
def desk(patient: Patient, clinician: User) -> Client:
    """A clinician's browser; the patient was asked, and has a page of their own."""
    assert workflows.invite_due(now=NOW) == 1
    return signed_in(clinician)


def path_of(patient: Patient) -> str:
    return f"/c/{patient.clinic.slug}/patients/{patient.pk}/"


def press(desk: Client, patient: Patient, action: str) -> str:
    reply = desk.post(f"{path_of(patient)}own-page/", {"action": action}, follow=True)
    assert reply.status_code == 200
    return reply.content.decode()


def test_staff_revoke_the_own_page_and_give_it_a_new_address(desk, patient):
    assert "not opened yet" in desk.get(path_of(patient)).content.decode()
    assert "revoked by staff" in press(desk, patient, "revoke")
    before = OwnPage.objects.get()
    assert before.revoked_at
    assert "has a new address" in press(desk, patient, "allow")
    after = OwnPage.objects.get()
    assert after.revoked_at is None
    assert after.token_hash != before.token_hash
    by_staff = AuditEvent.objects.filter(action__startswith="own_page.", actor_kind="user")
    assert list(by_staff.order_by("number").values_list("action", flat=True)) == [
        "own_page.revoked",
        "own_page.renewed",
    ]


def test_staff_see_a_pause_and_may_end_it(desk, patient, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    workflows.pause_messages(patient=patient, weeks=2, by=SYSTEM, now=NOW)
    assert "paused by the patient until" in desk.get(path_of(patient)).content.decode()
    assert "The pause has ended" in press(desk, patient, "resume")
    assert Patient.objects.get().paused_until is None


def test_whoever_may_only_read_changes_nothing(desk, patient, care_team, stranger):
    for user, status in ((care_team, 403), (stranger, 404)):
        reply = signed_in(user).post(f"{path_of(patient)}own-page/", {"action": "revoke"})
        assert reply.status_code == status
    assert OwnPage.objects.get().revoked_at is None


def test_an_action_that_does_not_exist_is_refused(desk, patient):
    reply = desk.post(f"{path_of(patient)}own-page/", {"action": "delete"})
    assert reply.status_code == 400
