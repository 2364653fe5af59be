"""A patient's own data as a file of their own: documented in docs/patients-page.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Literal

from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.care.models import Patient, TreatmentSession
from outcomes.exports.cells import line_of
from outcomes.review import own
from outcomes.review.own import Past

FORMAT = "outcomes-own-data"
VERSION = 1
Form = Literal["json", "csv"]
COLUMNS = ("sent_at", "questionnaire", "kind", "name", "value", "words", "lowest", "highest")


@audit.atomic()
def export_own(*, patient: Patient, form: Form, by: Actor, now: datetime) -> bytes:
    """Return a patient's own data as one file, and record that it left.

    JSON holds all of it; CSV (UTF-8, header first) answers, scores and own words, a row each.
    """
    audit.record(
        clinic_id=patient.clinic_id,
        by=by,
        now=now,
        action="export.own_data",
        object_type="Patient",
        object_id=patient.pk,
        patient_id=patient.pk,
        data={"format": form},
    )
    makers: dict[Form, Callable[[], str]] = {
        "json": lambda: json.dumps(_document(patient, now), ensure_ascii=False, indent=2) + "\n",
        "csv": lambda: "".join(_lines(patient)),
    }
    return makers[form]().encode()


def _document(patient: Patient, now: datetime) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "made_at": _utc(now),
        "clinic": patient.clinic.name,
        "patient": {
            "given_name": patient.given_name,
            "family_name": patient.family_name,
            "birth_date": patient.birth_date.isoformat() if patient.birth_date else None,
            "record_number": patient.record_number,
            "language": patient.language,
            "time_zone": patient.time_zone,
            "preferred_channel": patient.preferred_channel,
            "asked_from": f"{patient.asked_from:%H:%M}" if patient.asked_from else None,
            "paused_until": _utc(patient.paused_until),
        },
        "contacts": [
            {"channel": contact.channel, "value": contact.value, "set_at": _utc(contact.set_at)}
            for contact in patient.contacts.order_by("channel")
        ],
        "consents": [
            {
                "channel": consent.channel,
                "is_given": consent.is_given,
                "wording_version": consent.wording_version,
                "at": _utc(consent.at),
            }
            for consent in patient.consents.order_by("at", "pk")
        ],
        "sessions": [
            {"number": session.number, "at": _utc(session.at), "status": session.status}
            for session in TreatmentSession.objects.filter(episode__patient=patient).in_order()
        ],
        "questionnaires": [_questionnaire(past) for past in own.past(patient)],
        "remarks": [
            {
                "written_at": _utc(remark.written_at),
                "language": remark.language,
                "text": remark.text,
            }
            for remark in patient.remarks.newest_first()
        ],
    }


def _questionnaire(past: Past) -> dict[str, Any]:
    return {
        "name": past.title,
        "language": past.language,
        "sent_at": _utc(past.at),
        "answers": [
            {
                "item": given.link_id,
                "question": given.question,
                "answer": given.answer,
                "value": given.value,
            }
            for given in past.answers
        ],
        "scores": [
            {
                "name": total.title,
                "value": total.value,
                "lowest": total.lowest,
                "highest": total.highest,
            }
            for total in past.totals
        ],
    }


def _lines(patient: Patient) -> Iterator[str]:
    yield line_of(*COLUMNS)
    for past in own.past(patient):
        begin = (_utc(past.at), past.title)
        for given in past.answers:
            asked = given.question or given.link_id
            yield line_of(*begin, "answer", asked, given.value, given.answer, None, None)
        for total in past.totals:
            limits = (total.lowest, total.highest)
            yield line_of(*begin, "score", total.title, total.value, "", *limits)
    for remark in patient.remarks.newest_first():
        yield line_of(_utc(remark.written_at), "", "remark", "", None, remark.text, None, None)


def _utc(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None
