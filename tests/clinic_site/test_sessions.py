"""Recording, editing, moving and cancelling sessions."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.test import Client

from outcomes.audit.models import AuditEvent
from outcomes.care.models import TreatmentSession
from outcomes.care.session_record import MOMENTS, PLAUSIBLE, PLAUSIBLE_VITALS
from outcomes.care.session_record import SLOTS as RECORD_SLOTS
from outcomes.clinic_site.forms.session_rows import ROW_FORMS, SLOTS, VitalsRow
from outcomes.clinic_site.forms.sessions import SessionForm
from tests.clinic_site.conftest import World

ROWS = {f"{name}-TOTAL_FORMS": "8" for name in ROW_FORMS}
ROWS |= {f"{name}-INITIAL_FORMS": "0" for name in ROW_FORMS}
MINIMUM = {
    **ROWS,
    "number": "4",
    "status": "done",
    "started_at": "2026-02-01T14:30",
    "route": "iv",
    "drug": "Ketamine",
    "dose_amount": "40",
    "dose_unit": "mg",
}


def edit(session: TreatmentSession, **changes: str) -> dict[str, str]:
    """Return what the form sends for a stored session, with changes."""
    return {
        **ROWS,
        "vitals-INITIAL_FORMS": "1",
        "vitals-0-minute": "0",
        "vitals-0-systolic": "120",
        "vitals-0-diastolic": "80",
        "number": str(session.number),
        "status": session.status,
        "planned_at": "2026-02-01T09:00",
        "started_at": "2026-02-01T09:00",
        "route": "iv",
        "drug": "Ketamine",
        "dose_amount": "40",
        "dose_unit": "mg",
        "weight_kg": "80",
        **changes,
    }


def test_the_minimum_is_enough(world: World, as_clinician: Client) -> None:
    page = as_clinician.post(world.url("session_new"), MINIMUM)
    session = TreatmentSession.objects.get(number=4)
    assert page["Location"].endswith(f"/sessions/{session.pk}/")
    assert session.started_at == session.planned_at == datetime(2026, 2, 1, 14, 30, tzinfo=UTC)
    assert session.entered_by == "Clara <clara@north.example>"
    assert (session.vitals, session.effects, session.concomitant) == ([], [], [])


def test_every_group_is_kept(world: World, as_clinician: Client) -> None:
    entry = {
        **MINIMUM,
        "weight_kg": "80",
        "weight_on": "2026-02-01",
        "has_fasted": "true",
        "has_escort": "unknown",
        "concomitant-0-medicine": "Lamotrigine",
        "concomitant-0-last_taken_on": "2026-01-31",
        "vitals-0-minute": "-5",
        "vitals-0-systolic": "121",
        "vitals-2-minute": "95",
        "vitals-2-spo2": "97.5",
        "effects-0-effect": "nausea",
        "effects-0-severity": "mild",
        "effects-0-onset_minute": "20",
        "effects-5-effect": "Blurred sight",
        "effects-5-severity": "moderate",
        "adverse_events-0-term": "Fall",
        "adverse_events-0-is_serious": "no",
        "adverse_events-0-action": "Seen by nurse",
        "sedation": "4",
        "sedation_minute": "30",
        "ready_at": "2026-02-01T16:10",
        "note": "Calm.",
    }
    assert as_clinician.post(world.url("session_new"), entry).status_code == 302
    session = TreatmentSession.objects.get(number=4)
    assert session.vitals == [{"minute": -5, "systolic": 121}, {"minute": 95, "spo2": 97.5}]
    assert session.concomitant == [{"medicine": "Lamotrigine", "last_taken_on": "2026-01-31"}]
    assert session.effects == [
        {"effect": "nausea", "severity": "mild", "onset_minute": 20},
        {"effect": "Blurred sight", "severity": "moderate"},
    ]
    assert session.adverse_events == [
        {"term": "Fall", "is_serious": False, "action": "Seen by nurse"}
    ]
    assert (session.has_fasted, session.has_escort) == (True, None)
    html = as_clinician.get(world.url("session").replace(str(world.session.pk), str(session.pk)))
    for text in (b"0.50 mg/kg", b"Lamotrigine", b"Blurred sight", b"Seen by nurse", b"16:10 GMT"):
        assert text in html.content


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"number": "0"}, "number"),
        ({"number": ""}, "number"),
        ({"number": "10000"}, "number"),
        ({"dose_unit": ""}, "dose_unit"),
        ({"status": "planned", "dose_unit": ""}, "dose_unit"),
        ({"started_at": ""}, "planned_at"),
        ({"started_at": "yesterday"}, "started_at"),
        ({"started_at": "2026-02-03T09:00"}, "status"),
        ({"ended_at": "2026-02-01T14:00"}, "__all__"),
        ({"dose_amount": "forty"}, "dose_amount"),
        ({"dose_amount": "-1"}, "dose_amount"),
        ({"dose_amount": ""}, "dose_amount"),
        ({"route": "by mouth"}, "route"),
        ({"route": ""}, "route"),
        ({"status": "stopped"}, "status_reason"),
        ({"weight_on": "2026-13-01"}, "weight_on"),
    ],
)
def test_it_names_what_is_wrong_and_saves_nothing(
    world: World, as_clinician: Client, change: dict[str, str], field: str
) -> None:
    page = as_clinician.post(world.url("session_new"), {**MINIMUM, **change})
    assert page.status_code == 200
    assert (
        field in page.context["entry"].form.errors or page.context["entry"].form.errors["__all__"]
    )
    assert b"nothing was saved" in page.content
    assert not TreatmentSession.objects.filter(number=4).exists()


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"vitals-3-systolic": "120"}, "Say at which minute."),
        ({"vitals-3-minute": "55"}, "Add a reading"),
        ({"vitals-3-minute": "five", "vitals-3-spo2": "98"}, "Enter a number."),
        ({"concomitant-0-last_taken_on": "2026-01-31"}, "Name the medicine."),
        ({"effects-0-effect": "nausea", "effects-0-onset_minute": "5"}, "Say how severe."),
        ({"effects-5-severity": "mild"}, "Name the effect."),
        ({"adverse_events-0-term": "Fall"}, "Say whether it was serious."),
        ({"adverse_events-0-action": "Rest"}, "Name the event."),
    ],
)
def test_a_half_filled_row_is_named_and_its_group_opened(
    world: World, as_clinician: Client, row: dict[str, str], sentence: str
) -> None:
    page = as_clinician.post(world.url("session_new"), {**MINIMUM, **row})
    assert sentence in page.content.decode()
    assert page.context["entry"].open_groups
    assert not TreatmentSession.objects.filter(number=4).exists()


def test_an_odd_value_is_asked_about_and_kept_once_confirmed(
    world: World, as_clinician: Client
) -> None:
    odd = {**MINIMUM, "weight_kg": "400"}
    page = as_clinician.post(world.url("session_new"), odd)
    assert b"Check these values" in page.content
    assert not TreatmentSession.objects.filter(number=4).exists()
    (sentence,) = page.context["entry"].doubts["weight_kg"]
    as_clinician.post(world.url("session_new"), {**odd, "confirmed": sentence})
    assert TreatmentSession.objects.get(number=4).weight_kg == Decimal(400)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"dose_amount": "9000", "dose_unit": "mL"}, "dose_amount"),
        ({"started_at": "2016-02-01T14:30"}, "started_at"),
        ({"status": "planned", "started_at": "", "planned_at": "2036-02-01T14:30"}, "planned_at"),
        ({"started_at": "2026-02-01T08:00", "ended_at": "2026-02-02T08:30"}, "ended_at"),
        ({"number": "14"}, "number"),
    ],
)
def test_each_odd_value_is_asked_about_and_kept_once_confirmed(
    world: World, as_clinician: Client, change: dict[str, str], field: str
) -> None:
    before = TreatmentSession.objects.count()
    page = as_clinician.post(world.url("session_new"), {**MINIMUM, **change})
    assert list(page.context["entry"].doubts) == [field]
    assert TreatmentSession.objects.count() == before
    (sentence,) = page.context["entry"].doubts[field]
    entry = {**MINIMUM, **change, "confirmed": sentence}
    assert as_clinician.post(world.url("session_new"), entry).status_code == 302
    assert TreatmentSession.objects.count() == before + 1


def test_an_absurd_number_is_refused_in_plain_words(world: World, as_clinician: Client) -> None:
    page = as_clinician.post(world.url("session_new"), {**MINIMUM, "number": "9" * 30})
    (sentence,) = page.context["entry"].form.errors["number"]
    assert sentence == "Ensure this value is less than or equal to 9999."


def test_what_asks_for_confirmation_speaks_in_the_forms_own_words() -> None:
    form = SessionForm()
    for name, usual in PLAUSIBLE.items():
        if not name.endswith("_minute"):
            assert str(form[name].label).startswith(usual.label)
    assert {name: str(form[name].label) for name in MOMENTS} == MOMENTS
    row = VitalsRow()
    for name, usual in PLAUSIBLE_VITALS.items():
        assert f"{usual.label} {usual.unit}".strip() == str(row[name].label)
    assert {code: str(label) for code, (label, _offer) in SLOTS.items()} == RECORD_SLOTS


def test_every_choice_has_the_same_blank(world: World, as_clinician: Client) -> None:
    html = as_clinician.get(world.url("session_new")).content.decode()
    assert "---------" not in html
    assert "Not recorded" not in html
    form = SessionForm()
    for name in ("status", "route", "dose_unit", "has_fasted"):
        assert next(iter(form.fields[name].widget.choices))[1] == "—"


def test_a_confirmation_holds_for_no_other_value(world: World, as_clinician: Client) -> None:
    page = as_clinician.post(world.url("session_new"), {**MINIMUM, "weight_kg": "400"})
    (sentence,) = page.context["entry"].doubts["weight_kg"]
    page = as_clinician.post(
        world.url("session_new"), {**MINIMUM, "weight_kg": "500", "confirmed": sentence}
    )
    assert b"Check these values" in page.content
    assert not TreatmentSession.objects.filter(number=4).exists()


def test_an_edit_needs_a_reason(world: World, as_clinician: Client) -> None:
    page = as_clinician.post(world.url("session_edit"), edit(world.session, dose_amount="45"))
    assert list(page.context["entry"].form.errors) == ["edit_reason"]
    world.session.refresh_from_db()
    assert world.session.dose_amount == 40


def test_an_edit_keeps_who_why_and_what_stood_there(world: World, as_clinician: Client) -> None:
    entry = edit(world.session, dose_amount="45", edit_reason="Misread the syringe")
    assert as_clinician.post(world.url("session_edit"), entry).status_code == 302
    event = AuditEvent.objects.get(action="session.edited")
    assert event.reason == "Misread the syringe"
    assert set(event.data["changed"]) == {"dose_amount", "edited_by", "edited_at", "edit_reason"}
    html = as_clinician.get(world.url("session")).content.decode()
    assert "Misread the syringe" in html
    assert "<td>40</td><td>45</td>" in html


@pytest.mark.parametrize("reason", ["", "Looked again"])
def test_saving_without_a_change_writes_nothing_and_says_so(
    world: World, as_clinician: Client, reason: str
) -> None:
    entry = edit(world.session, edit_reason=reason)
    page = as_clinician.post(world.url("session_edit"), entry, follow=True)
    assert "Nothing was changed, so nothing was saved." in page.content.decode()
    assert "Last changed by" not in page.content.decode()
    assert not AuditEvent.objects.filter(action="session.edited").exists()


def test_a_list_stored_by_a_machine_is_no_change(world: World, as_clinician: Client) -> None:
    TreatmentSession.objects.filter(pk=world.session.pk).update(
        vitals=[{"minute": 0, "systolic": 120, "diastolic": 80, "spo2": None}],
        concomitant=[{"medicine": "Lamotrigine", "last_taken_on": "2026-01-31"}],
        adverse_events=[{"term": "Fall", "is_serious": False, "action": ""}],
    )
    rows = {
        "concomitant-0-medicine": "Lamotrigine",
        "concomitant-0-last_taken_on": "2026-01-31",
        "adverse_events-0-term": "Fall",
        "adverse_events-0-is_serious": "no",
    }
    page = as_clinician.post(world.url("session_edit"), edit(world.session, **rows), follow=True)
    assert "Nothing was changed" in page.content.decode()


def test_emptying_a_row_removes_it(world: World, as_clinician: Client) -> None:
    entry = edit(world.session, edit_reason="Wrong patient's readings")
    for name in ("minute", "systolic", "diastolic"):
        entry[f"vitals-0-{name}"] = ""
    as_clinician.post(world.url("session_edit"), entry)
    world.session.refresh_from_db()
    assert world.session.vitals == []


def test_a_planned_session_is_recorded_without_a_reason(world: World, as_clinician: Client) -> None:
    url = world.url("session_edit").replace(str(world.session.pk), str(world.planned.pk))
    assert b'<option value="done" selected>' in as_clinician.get(f"{url}?held").content
    entry = {**MINIMUM, "number": str(world.planned.number), "planned_at": "2026-02-05T09:00"}
    # Posted to the same address, query and all.
    assert as_clinician.post(f"{url}?held", entry).status_code == 302
    world.planned.refresh_from_db()
    assert (world.planned.status, world.planned.edit_reason) == ("done", "Planned session recorded")


def test_changing_a_planned_session_needs_a_reason(world: World, as_clinician: Client) -> None:
    url = world.url("session_edit").replace(str(world.session.pk), str(world.planned.pk))
    entry = {
        **ROWS,
        "number": str(world.planned.number),
        "status": "planned",
        "planned_at": "2026-02-05T09:00",
        "drug": "Esketamine",
    }
    page = as_clinician.post(url, entry)
    assert list(page.context["entry"].form.errors) == ["edit_reason"]
    world.planned.refresh_from_db()
    assert (world.planned.drug, world.planned.edited_at) == ("", None)
    assert as_clinician.post(url, {**entry, "edit_reason": "Agreed"}).status_code == 302
    world.planned.refresh_from_db()
    assert (world.planned.drug, world.planned.edit_reason) == ("Esketamine", "Agreed")


def test_readings_keep_their_names_when_reopened(world: World, as_clinician: Client) -> None:
    readings = {
        "vitals-1-slot": "middle",
        "vitals-1-minute": "47",
        "vitals-1-systolic": "131",
        "vitals-2-slot": "discharge",
        "vitals-2-minute": "95",
        "vitals-2-systolic": "122",
    }
    as_clinician.post(
        world.url("session_edit"), edit(world.session, edit_reason="Late", **readings)
    )
    world.session.refresh_from_db()
    assert world.session.vitals[1:] == [
        {"slot": "middle", "minute": 47, "systolic": 131},
        {"slot": "discharge", "minute": 95, "systolic": 122},
    ]
    rows = as_clinician.get(world.url("session_edit")).context["entry"].rows["vitals"].forms
    # The first came without a name, at the minute that Before offers.
    labels = [str(row.label) for row in rows]
    assert labels[:4] == ["Before", "About 40 minutes", "Discharge", "Row 4"]


def test_a_named_reading_left_out_is_offered_again(world: World, as_clinician: Client) -> None:
    rows = as_clinician.get(world.url("session_edit")).context["entry"].rows["vitals"].forms
    assert [(str(row.label), row["minute"].value()) for row in rows[:4]] == [
        ("Before", 0),
        ("About 40 minutes", 40),
        ("Discharge", None),
        ("Row 4", None),
    ]


def test_a_plan_is_made_for_later(world: World, as_clinician: Client) -> None:
    page = as_clinician.get(world.url("session_new") + "?plan")
    assert b'<option value="planned" selected>' in page.content
    entry = {**ROWS, "number": "4", "status": "planned", "planned_at": "2026-03-30T09:00"}
    as_clinician.post(world.url("session_new"), entry)
    # Typed on London's clock, after the clocks went forward.
    planned = TreatmentSession.objects.get(number=4)
    assert planned.planned_at == datetime(2026, 3, 30, 8, 0, tzinfo=UTC)


def test_a_time_that_the_clock_skips_is_refused(world: World, as_clinician: Client) -> None:
    entry = {**ROWS, "number": "4", "status": "planned", "planned_at": "2026-03-29T01:30"}
    page = as_clinician.post(world.url("session_new"), entry)
    assert list(page.context["entry"].form.errors) == ["planned_at"]


def test_a_session_is_moved_with_a_reason(world: World, as_clinician: Client) -> None:
    url = world.url("session_move").replace(str(world.session.pk), str(world.planned.pk))
    page = as_clinician.post(url, {"planned_at": "2026-02-10T15:00", "reason": ""})
    assert list(page.context["form"].errors) == ["reason"]
    as_clinician.post(url, {"planned_at": "2026-02-10T15:00", "reason": "Patient asked"})
    world.planned.refresh_from_db()
    assert world.planned.planned_at == datetime(2026, 2, 10, 15, 0, tzinfo=UTC)


def test_a_move_to_an_odd_time_is_asked_about(world: World, as_clinician: Client) -> None:
    url = world.url("session_move").replace(str(world.session.pk), str(world.planned.pk))
    entry = {"planned_at": "2036-02-10T15:00", "reason": "Patient asked"}
    page = as_clinician.post(url, entry)
    (sentence,) = page.context["entry"].doubts["planned_at"]
    assert sentence == "Planned for 10 Feb 2036, 15:00 is more than 2 years ahead."
    assert sentence in page.content.decode()
    assert as_clinician.post(url, {**entry, "confirmed": sentence}).status_code == 302
    world.planned.refresh_from_db()
    assert world.planned.planned_at == datetime(2036, 2, 10, 15, 0, tzinfo=UTC)


def test_a_move_to_the_same_time_writes_nothing(world: World, as_clinician: Client) -> None:
    url = world.url("session_move").replace(str(world.session.pk), str(world.planned.pk))
    entry = {"planned_at": "2026-02-05T09:00", "reason": "Patient asked"}
    page = as_clinician.post(url, entry, follow=True)
    assert "planned for this time already" in page.content.decode()
    assert not AuditEvent.objects.filter(action="session.edited").exists()


@pytest.mark.parametrize("status", ["done", "cancelled", "no_show"])
@pytest.mark.parametrize("way", ["session_move", "session_cancel"])
def test_what_is_not_planned_is_neither_moved_nor_cancelled(
    world: World, as_clinician: Client, way: str, status: str
) -> None:
    TreatmentSession.objects.filter(pk=world.session.pk).update(status=status)
    before = TreatmentSession.objects.values().get(pk=world.session.pk)
    entry = {"planned_at": "2026-02-10T15:00", "status": "no_show", "reason": "By mistake"}
    for page in (as_clinician.get(world.url(way)), as_clinician.post(world.url(way), entry)):
        assert page.status_code == 200
        assert page.context["refusal"] in page.content.decode()
        assert 'name="reason"' not in page.content.decode()
    assert TreatmentSession.objects.values().get(pk=world.session.pk) == before


def test_a_patient_who_did_not_come_is_recorded(world: World, as_clinician: Client) -> None:
    url = world.url("session_cancel").replace(str(world.session.pk), str(world.planned.pk))
    as_clinician.post(url, {"status": "no_show", "reason": "Not reached by telephone"})
    world.planned.refresh_from_db()
    assert (world.planned.status, world.planned.status_reason) == (
        "no_show",
        "Not reached by telephone",
    )


def test_a_held_session_cannot_be_cancelled(world: World, as_clinician: Client) -> None:
    page = as_clinician.post(
        world.url("session_cancel"), {"status": "cancelled", "reason": "By mistake"}
    )
    assert b"A session that was held cannot be cancelled." in page.content
    world.session.refresh_from_db()
    assert world.session.status == "done"
