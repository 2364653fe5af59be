"""Questionnaires: the list, the evidence, licensed words, the clinic's own, the burden."""

from __future__ import annotations

import copy
import json
import re
from html import unescape
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from outcomes import workflows
from outcomes.audit.models import SYSTEM, AuditEvent
from outcomes.care.models import Course
from outcomes.clinic_site.forms.instruments import LARGEST
from outcomes.clinic_site.instruments import Speller
from outcomes.clinics.models import Clinic, User
from outcomes.instruments.conditions import Not, Reached
from outcomes.instruments.definition import Definition
from outcomes.instruments.fhir import to_questionnaire
from outcomes.instruments.models import InstrumentVersion
from outcomes.responses.models import QuestionnaireResponse
from outcomes.scheduling.models import Schedule
from outcomes.scheduling.services import LIBRARY as LIBRARY_FOLDER
from outcomes.workflows import Enrolment
from tests.clinic_site.conftest import World
from tests.conftest import NOW, signed_in
from tests.library import LIBRARY

# WSAS has two lists of answers, none of them words of its own.
CODE = "ISI"
ALL = ["instruments", "instrument", "instrument_fhir", "instrument_json", "schedules"]
MANAGE = ["instrument_wording", "instrument_new"]
LICENCE = {"language": "en", "licence": "Agreement 17 with the owner", "confirmed": "on"}


def url(name: str, code: str = CODE, clinic: str = "north") -> str:
    keys = {} if name in ("instruments", "instrument_new", "schedules") else {"code": code}
    return reverse(f"clinic_site:{name}", kwargs={"clinic_slug": clinic, **keys})


def text_of(page: Any) -> str:
    """Return what the main part of a page says, without its markup."""
    main = page.content.decode().split("<main", 1)[1].split("</main>")[0]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", main)).split())


def upload(document: Any, name: str = "file.json") -> SimpleUploadedFile:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return SimpleUploadedFile(name, content, content_type="application/json")


def invented_words(definition: Definition, mark: str = "") -> dict[str, Any]:
    """Return words in the library's format, none of them anybody's licensed text."""
    return {
        "title": f"Invented title{mark}",
        "stem": f"Invented stem{mark}",
        "items": {item.link_id: f"Question {item.link_id}{mark}" for item in definition.items},
        "options": {
            name: {str(row["value"]): f"{name} {row['value']}{mark}" for row in rows}
            for name, rows in definition.content["response_options"].items()
        },
    }


def typed(words: dict[str, Any]) -> dict[str, str]:
    items = {f"item-{key}": text for key, text in words["items"].items()}
    options = {
        f"option-{name}-{value}": label
        for name, labels in words["options"].items()
        for value, label in labels.items()
    }
    return {"title": words["title"], "stem": words["stem"], **items, **options}


def with_words(code: str, language: str = "en") -> dict[str, Any]:
    """Return a library definition as a document that holds invented words."""
    content = copy.deepcopy(dict(LIBRARY[code].content))
    source = {"citation": "Invented for a test", "verified": False}
    content["wording"] = {language: {**invented_words(LIBRARY[code]), **source}}
    return content


def own_document(**changes: Any) -> dict[str, Any]:
    """Return a clinic's own questionnaire of two questions."""
    source = {"citation": "The clinic", "verified": False}
    return {
        "code": "NIGHT-2",
        "title": "Two questions about the night",
        "version": "1.0.0",
        "measures": "rest",
        "respondent": "patient",
        "validated": False,
        "direction": "higher_is_better",
        "recall": {"days": 1, **source},
        "minutes": {"estimate": 1, **source},
        "licence": {"class": "bundle", "text": "The clinic's own", **source},
        "response_options": {"yes": [{"value": 0}, {"value": 1}]},
        "items": [
            {"link_id": "a", "options": "yes"},
            {"link_id": "b", "options": "yes", "enabled_when": {"items": {"a": 1}, "at_least": 1}},
        ],
        "scales": [
            {
                "code": "total",
                "title": "Nights",
                "low": 0,
                "high": 2,
                "scoring": {"method": "sum", "items": ["a", "b"], **source},
                "missing": {"rule": "complete", **source},
            }
        ],
        "wording": {
            "en": {
                "title": "The night",
                "stem": "Last night:",
                "items": {"a": "Did you sleep?", "b": "Did you dream?"},
                "options": {"yes": {"0": "No", "1": "Yes"}},
                **source,
            }
        },
        "notes": [],
        **changes,
    }


def save_own(client: Client, document: dict[str, Any], **changes: str) -> Any:
    entry = {"content": json.dumps(document), "code": document["code"], "title": document["title"]}
    return client.post(url("instrument_new"), {**entry, **changes})


# -- Who may -------------------------------------------------------------------------------------


def test_every_member_reads_and_only_an_admin_changes(
    world: World, as_care_team: Client, as_clinician: Client, as_admin: Client
) -> None:
    for client in (as_care_team, as_clinician, as_admin):
        for name in ALL:
            assert client.get(url(name)).status_code == 200, name
        assert client.get(url("instrument_preview", "PHQ-9")).status_code == 200
    for name in MANAGE:
        assert as_admin.get(url(name)).status_code == 200, name
        for client in (as_care_team, as_clinician):
            assert client.get(url(name)).status_code == 403, name
            assert client.post(url(name)).status_code == 403, name
    assert as_clinician.post(url("instrument_retire")).status_code == 403
    assert as_clinician.get(url("instrument", "PHQ-9")).content.count(b"Load wording") == 0


def test_pages_have_one_heading_and_nothing_that_the_policy_blocks(
    world: World, as_admin: Client
) -> None:
    pages = [url(name) for name in (*ALL[:2], *MANAGE, "schedules")]
    for address in [*pages, url("instrument_preview", "PCL-5")]:
        html = as_admin.get(address).content.decode()
        assert html.count("<h1") == 1, address
        assert " style=" not in html, address
        assert "<script" not in html, address
        assert " onclick=" not in html, address
        ids = re.findall(r'\bid="([^"]+)"', html)
        assert len(ids) == len(set(ids)), address


def test_another_clinic_and_an_unknown_code_look_alike(
    world: World, as_admin: Client, stranger: User
) -> None:
    missing = as_admin.get(url("instrument", "NO-SUCH"))
    assert missing.status_code == 404
    for name in [*ALL, "instrument_preview"]:
        assert signed_in(stranger).get(url(name)).status_code == 404, name


def test_another_clinics_own_instrument_does_not_exist_here(
    world: World, as_admin: Client, other_clinic: Clinic
) -> None:
    workflows.save_own_instrument(clinic=other_clinic, content=own_document(), by=SYSTEM, now=NOW)
    assert "NIGHT-2" not in text_of(as_admin.get(url("instruments")))
    missing = as_admin.get(url("instrument", "NO-SUCH"))
    for name in ("instrument", "instrument_fhir", "instrument_json", "instrument_preview"):
        foreign = as_admin.get(url(name, "NIGHT-2"))
        assert (foreign.status_code, foreign.content) == (404, missing.content), name
    assert as_admin.post(url("instrument_retire", "NIGHT-2")).status_code == 404
    assert as_admin.get(url("instrument_wording", "NIGHT-2")).status_code == 404


# -- The list ------------------------------------------------------------------------------------


def test_the_list_says_what_can_be_sent_and_why_not(world: World, as_care_team: Client) -> None:
    page = as_care_team.get(url("instruments"))
    entries = {entry.definition.code: entry for entry in page.context["entries"]}
    assert set(entries) == set(LIBRARY)
    assert entries["PHQ-9"].why_not == ""
    assert "licensed for" in entries["QIDS-SR16"].why_not
    assert "clinician" in entries["HAM-D17"].why_not
    assert "word for word" in entries["CES-D"].why_not
    said = text_of(page)
    for why in {entry.why_not for entry in entries.values()}:
        assert why in said


def test_the_list_reads_no_documents_once_they_are_known(
    world: World, as_care_team: Client, django_assert_max_num_queries: Any
) -> None:
    as_care_team.get(url("instruments"))
    with django_assert_max_num_queries(8) as queries:
        as_care_team.get(url("instruments"))
    assert not any('"content"' in query["sql"] for query in queries.captured_queries)


def test_the_list_is_narrowed_to_a_condition(world: World, as_care_team: Client) -> None:
    page = as_care_team.get(url("instruments"), {"for": "eating"})
    codes = {entry.definition.code for entry in page.context["entries"]}
    assert codes == {code for code, row in LIBRARY.items() if "eating" in row.conditions}
    assert "SCOFF" in codes
    assert "PCL-5" not in codes


def test_a_condition_that_does_not_exist_is_refused_and_shows_all(
    world: World, as_care_team: Client
) -> None:
    page = as_care_team.get(url("instruments"), {"for": "<script>"})
    assert len(page.context["entries"]) == len(LIBRARY)
    assert b"<script>" not in page.content


# -- The evidence --------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(LIBRARY))
def test_every_evidence_page_opens_and_marks_what_is_not_verified(
    world: World, as_care_team: Client, code: str
) -> None:
    definition = LIBRARY[code]
    page = as_care_team.get(url("instrument", code))
    said = text_of(page)
    assert definition.measures in said
    assert definition.content_hash in said
    assert " ".join(definition.licence.text.split()) in said
    if not definition.minutes.verified:
        assert f"{definition.minutes.citation} not verified by this project" in said
    for scale in definition.scales:
        assert scale.title in said
        assert all(band.label in said for band in scale.bands)
    for levels in definition.levels:
        assert all(rank.label in said for rank in levels.ranks)
    assert all(" ".join(note.split()) in said for note in definition.notes)


def test_the_pcl5_page_marks_what_was_not_verified_and_only_that(
    world: World, as_care_team: Client
) -> None:
    said = text_of(as_care_team.get(url("instrument", "PCL-5")))
    assert "Estimate of this project not verified by this project" in said
    assert "an incomplete form has no total not verified by this project" in said
    assert "The form's own words (in the past month) not verified" not in said
    assert "33 or more: upper end of the range of cut-offs" in said
    assert "a change of at least 15 points" in said
    assert "Asks about the last 30 days." in said
    assert "62 answer sets scored by programs of other people (camcops-server" in said
    assert "at least 2 of: items 8 to 14 answered 2 (Moderately) or more" in said


def test_a_cutoff_shows_sensitivity_and_specificity(world: World, as_care_team: Client) -> None:
    said = text_of(as_care_team.get(url("instrument", "PHQ-9")))
    assert "10 or more, sensitivity 88 %, specificity 88 %" in said
    assert "any of: items 1, 2 answered 2 (More than half the days) or more" in said
    assert "item 9 answered 1 (Several days) or more Raises an alert: thoughts of" in said
    assert "LOINC 44261-6" in said
    assert "720433000" in said
    assert "Remission below 5 HEDIS" in said


def test_branches_arithmetic_and_tables_are_in_words(world: World, as_care_team: Client) -> None:
    screen = text_of(as_care_team.get(url("instrument", "C-SSRS-screener")))
    assert "item 3 Asked only after: item 2 answered 1." in screen
    qids = text_of(as_care_team.get(url("instrument", "QIDS-SR16")))
    assert "Sum of items 1 to 16. Of items 1 to 4 only the highest counts." in qids
    worry = text_of(as_care_team.get(url("instrument", "PSWQ")))
    assert "Reversed: items 1, 3, 8, 10, 11." in worry
    dass = text_of(as_care_team.get(url("instrument", "DASS-21")))
    assert "Then multiplied by 2." in dass
    assert "Standard error" in text_of(as_care_team.get(url("instrument", "PROMIS-DEP-4A")))
    assert "lies between its least (0)" in text_of(
        as_care_team.get(url("instrument", "Q-LES-Q-SF"))
    )
    assert "No outside answer sets." in text_of(as_care_team.get(url("instrument", "MOOD-1")))
    assert "Mean of items" in text_of(as_care_team.get(url("instrument", "PEG")))


def test_conditions_that_no_shipped_instrument_has_are_in_words_too() -> None:
    speller = Speller(LIBRARY["PHQ-9"], None)
    line = speller.condition(Not(Reached("total", 10)))
    assert (line.text, [part.text for part in line.parts]) == ("not", ["Total score: 10 or more"])


def test_an_instrument_is_downloaded_as_fhir_and_as_its_definition(
    world: World, as_care_team: Client
) -> None:
    fhir = as_care_team.get(url("instrument_fhir", "PHQ-9"))
    assert fhir["Content-Type"] == "application/fhir+json"
    assert fhir["Content-Disposition"] == 'attachment; filename="PHQ-9.fhir.json"'
    assert fhir.json() == to_questionnaire(LIBRARY["PHQ-9"])
    plain = as_care_team.get(url("instrument_json", "PHQ-9"))
    assert plain["Content-Type"] == "application/json"
    assert Definition.from_json(plain.json()).content_hash == LIBRARY["PHQ-9"].content_hash


# -- The preview ---------------------------------------------------------------------------------


def test_the_preview_shows_every_question_as_the_patient_sees_it(
    world: World, as_care_team: Client
) -> None:
    page = as_care_team.get(url("instrument_preview", "PHQ-9"))
    html = page.content.decode()
    assert html.count('class="phone-frame"') == 10
    assert html.count('class="option-card"') == 40
    assert html.count("data-help") == 3
    assert "The clinic's text for a crisis is shown at once after: item 9 answered 1" in text_of(
        page
    )
    assert "<form" not in html.split("<main")[1].split("</main>")[0]


def test_the_preview_speaks_the_language_asked_for(world: World, as_care_team: Client) -> None:
    spanish = as_care_team.get(url("instrument_preview", "PHQ-2"), {"language": "es"})
    assert 'class="question" lang="es"' in spanish.content.decode()
    unknown = as_care_team.get(url("instrument_preview", "PHQ-2"), {"language": "xx"})
    assert 'class="question" lang="en"' in unknown.content.decode()


def test_there_is_no_preview_without_words(world: World, as_care_team: Client) -> None:
    assert as_care_team.get(url("instrument_preview", "QIDS-SR16")).status_code == 404


# -- Licensed words ------------------------------------------------------------------------------


def own_versions() -> int:
    return InstrumentVersion.objects.exclude(clinic=None).count()


def test_typed_words_make_an_instrument_sendable_and_plans_are_made_anew(
    world: World, as_admin: Client
) -> None:
    Course.objects.update(needs_plan=False)
    words = invented_words(LIBRARY[CODE])
    reply = as_admin.post(url("instrument_wording"), {**LICENCE, **typed(words)})
    assert reply["Location"] == url("instrument")
    version = InstrumentVersion.objects.used_by(world.clinic.pk).of_code(CODE).get()
    assert version.definition.is_sendable
    assert version.definition.wording("en").items["1"] == "Question 1"
    assert version.licence_statement == LICENCE["licence"]
    assert Course.objects.get(pk=world.course.pk).needs_plan
    assert AuditEvent.objects.filter(action="instrument.worded").count() == 1
    said = text_of(as_admin.get(url("instrument")))
    assert "Agreement 17 with the owner" in said
    assert "Question 1" in said
    assert as_admin.get(url("instrument_preview")).status_code == 200


def test_another_clinic_does_not_see_the_words(
    world: World, as_admin: Client, stranger: User
) -> None:
    as_admin.post(url("instrument_wording"), {**LICENCE, **typed(invented_words(LIBRARY[CODE]))})
    there = signed_in(stranger).get(url("instrument", clinic="south"))
    assert "Question 1" not in text_of(there)
    assert "licensed for" in text_of(there)


@pytest.mark.parametrize("kind", ["words", "definition", "fhir", "fhir without a language"])
def test_words_come_in_a_file_of_each_kind(world: World, as_admin: Client, kind: str) -> None:
    document: dict[str, Any] = invented_words(LIBRARY[CODE])
    language = "de" if kind == "fhir without a language" else "en"
    if kind == "definition":
        document = with_words(CODE)
    elif kind.startswith("fhir"):
        document = to_questionnaire(Definition.from_json(with_words(CODE)))
    if language == "de":
        del document["language"]
    entry = {**LICENCE, "language": language, "file": upload(document)}
    reply = as_admin.post(url("instrument_wording"), entry)
    assert reply.status_code == 302, reply.context["form"].errors
    version = InstrumentVersion.objects.used_by(world.clinic.pk).of_code(CODE).get()
    wording = version.definition.wording(language)
    assert wording.items["2"] == "Question 2"
    assert wording.options["1"][0] == "severity 0"


def test_answers_that_a_file_lists_otherwise_are_taken_by_their_value(
    world: World, as_admin: Client
) -> None:
    document = with_words(CODE)
    # The same questions, each with a list of its own, in the other order.
    for row in document["items"]:
        name = f"own-{row['link_id']}"
        rows = document["response_options"][row["options"]]
        document["response_options"][name] = list(reversed(rows))
        labels = document["wording"]["en"]["options"]
        labels[name] = labels[row["options"]]
        row["options"] = name
    reply = as_admin.post(url("instrument_wording"), {**LICENCE, "file": upload(document)})
    assert reply.status_code == 302, reply.context["form"].errors
    version = InstrumentVersion.objects.used_by(world.clinic.pk).of_code(CODE).get()
    assert version.definition.wording("en").options["1"][4] == "severity 4"


def _lacking_an_item() -> dict[str, Any]:
    words = invented_words(LIBRARY[CODE])
    del words["items"]["3"]
    return words


def _with_another_item() -> dict[str, Any]:
    words = invented_words(LIBRARY[CODE])
    words["items"]["99"] = "More"
    return words


def _lacking_an_answer() -> dict[str, Any]:
    words = invented_words(LIBRARY[CODE])
    del words["options"]["severity"]["2"]
    return words


def _of_another_instrument() -> dict[str, Any]:
    return to_questionnaire(LIBRARY["GAD-2"])


def _answers_that_differ() -> dict[str, Any]:
    document = with_words(CODE)
    document["response_options"]["other"] = document["response_options"]["severity"]
    options = document["wording"]["en"]["options"]
    options["other"] = {value: f"{label}!" for value, label in options["severity"].items()}
    document["items"][1]["options"] = "other"
    return document


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (b"{", "not JSON in UTF-8: line 1, column 2"),
        (b"\xff\xfe", "not JSON in UTF-8"),
        (b'{"title": "a", "title": "b"}', "the name “title” stands twice"),
        (b'{"title": NaN}', "not JSON in UTF-8"),
        (b"[" * 100_000, "not JSON in UTF-8"),
        (b'{"title": "\\u0000"}', "zero byte"),
        (b'{"title": "\\ud800"}', "not JSON in UTF-8"),
        (b"[]", "not an object"),
        (b"", "not JSON in UTF-8"),
        (b" " * (LARGEST + 1), "larger than 500 KB"),
        ({}, "required property"),
        (_lacking_an_item(), "items: lacks 3"),
        (_with_another_item(), "items: nothing here is called 99"),
        (_lacking_an_answer(), "options.severity: lacks 2"),
        ({**invented_words(LIBRARY[CODE]), "more": 1}, "more"),
        ({**invented_words(LIBRARY[CODE]), "items": []}, "items: [] is not of type 'object'"),
        (with_words(CODE, "de"), "wording: there is none in “en”; the file has de."),
        (_of_another_instrument(), "items: lacks 3"),
        (_answers_that_differ(), "answers to item 2: are not worded as those"),
        ({"resourceType": "Patient"}, "resourceType: is not Questionnaire"),
        ({**with_words(CODE), "items": []}, "items: [] should be non-empty"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence_and_nothing_is_stored(
    world: World, as_admin: Client, document: Any, sentence: str
) -> None:
    page = as_admin.post(url("instrument_wording"), {**LICENCE, "file": upload(document)})
    assert page.status_code == 200
    assert list(page.context["form"].errors) == ["file"]
    assert len(page.context["form"].errors["file"]) == 1
    assert sentence in page.context["form"].errors["file"][0]
    assert own_versions() == 0
    assert not AuditEvent.objects.filter(action="instrument.worded").exists()


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"licence": ""}, ["licence"]),
        ({"licence": "   "}, ["licence"]),
        ({"confirmed": ""}, ["confirmed"]),
        ({"language": "English"}, ["language"]),
        ({"item-3": ""}, ["item-3"]),
        ({"option-severity-2": " "}, ["option-severity-2"]),
        ({"title": ""}, ["title"]),
    ],
)
def test_a_typed_wording_names_what_is_missing(
    world: World, as_admin: Client, change: dict[str, str], fields: list[str]
) -> None:
    entry = {**LICENCE, **typed(invented_words(LIBRARY[CODE])), **change}
    page = as_admin.post(url("instrument_wording"), entry)
    assert list(page.context["form"].errors) == fields
    assert own_versions() == 0


def test_a_stem_may_be_empty(world: World, as_admin: Client) -> None:
    entry = {**LICENCE, **typed(invented_words(LIBRARY[CODE])), "stem": ""}
    assert as_admin.post(url("instrument_wording"), entry).status_code == 302


def test_no_words_are_loaded_for_a_clinicians_scale(world: World, as_admin: Client) -> None:
    assert as_admin.get(url("instrument_wording", "HAM-D17")).status_code == 404
    assert as_admin.post(url("instrument_wording", "HAM-D17"), LICENCE).status_code == 404


def test_words_taken_out_of_use_leave_the_shipped_version(world: World, as_admin: Client) -> None:
    as_admin.post(url("instrument_wording"), {**LICENCE, **typed(invented_words(LIBRARY[CODE]))})
    reply = as_admin.post(url("instrument_retire"))
    assert reply["Location"] == url("instruments")
    version = InstrumentVersion.objects.used_by(world.clinic.pk).of_code(CODE).get()
    assert version.clinic_id is None
    assert as_admin.post(url("instrument_retire")).status_code == 404


# -- The clinic's own ----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["file", "text", "fhir"])
def test_an_own_questionnaire_is_shown_before_anything_is_stored(
    world: World, as_admin: Client, how: str
) -> None:
    document = own_document()
    given: dict[str, Any] = {"text": json.dumps(document)}
    if how != "text":
        resource = to_questionnaire(Definition.from_json(document)) if how == "fhir" else document
        given = {"file": upload(resource)}
    page = as_admin.post(url("instrument_new"), given)
    html = page.content.decode()
    assert "Did you dream?" in html
    assert html.count('class="phone-frame"') == 2
    assert "Asked only after: item a answered 1 (Yes)." in text_of(page)
    assert "Nights, 0 to 2" in text_of(page)
    assert own_versions() == 0
    form = page.context["form"]
    sent = {name: form[name].value() for name in form.fields}
    assert as_admin.post(url("instrument_new"), sent)["Location"] == url("instrument", "NIGHT-2")
    version = InstrumentVersion.objects.used_by(world.clinic.pk).of_code("NIGHT-2").get()
    assert version.definition.is_sendable
    listed = as_admin.get(url("instruments"))
    assert "a clinic's own" in text_of(listed)


def test_what_was_not_understood_is_said_and_kept_through_a_mistake(
    world: World, as_admin: Client
) -> None:
    resource = {
        "resourceType": "Questionnaire",
        "status": "active",
        "title": "A walk",
        "language": "en",
        "item": [
            {"linkId": "1", "type": "boolean", "text": "Did you walk?"},
            {"linkId": "2", "type": "string", "text": "Where?"},
        ],
    }
    page = as_admin.post(url("instrument_new"), {"file": upload(resource)})
    assert "It cannot be scored" in text_of(page)
    remarks = page.context["form"].remark_lines
    assert remarks
    assert all(remark in text_of(page) for remark in remarks)
    form = page.context["form"]
    sent = {name: form[name].value() for name in form.fields}
    again = as_admin.post(url("instrument_new"), {**sent, "code": "a walk"})
    assert list(again.context["form"].errors) == ["code"]
    assert all(remark in text_of(again) for remark in remarks)
    assert own_versions() == 0
    as_admin.post(url("instrument_new"), {**sent, "code": "WALK-1", "title": "Walking"})
    version = InstrumentVersion.objects.used_by(world.clinic.pk).of_code("WALK-1").get()
    assert version.definition.title == "Walking"
    assert "It cannot be scored" in text_of(as_admin.get(url("instrument", "WALK-1")))


def test_without_words_it_is_stored_and_words_are_loaded_later(
    world: World, as_admin: Client
) -> None:
    document = own_document(wording={})
    page = as_admin.post(url("instrument_new"), {"text": json.dumps(document)})
    assert "no complete wording" in text_of(page)
    assert save_own(as_admin, document).status_code == 302
    assert "the clinic must load it" in text_of(as_admin.get(url("instrument", "NIGHT-2")))
    words = own_document()["wording"]["en"]
    reply = as_admin.post(url("instrument_wording", "NIGHT-2"), {**LICENCE, **typed(words)})
    assert reply.status_code == 302
    assert "Did you dream?" in text_of(as_admin.get(url("instrument", "NIGHT-2")))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "one of the two"),
        ({"text": "  "}, "one of the two"),
        ({"text": "{}", "file": upload({})}, "one of the two"),
        ({"text": "not JSON"}, "not JSON in UTF-8"),
        ({"text": "{}"}, "required property"),
        ({"text": json.dumps({**own_document(), "code": "x y"})}, "code: "),
        ({"file": upload(own_document(scales=[{}]))}, "scales[0]"),
        ({"text": json.dumps({"resourceType": "Bundle"})}, "resourceType: is not Questionnaire"),
        ({"text": " " * (LARGEST + 1)}, "500000"),
        ({"file": upload(b" " * (LARGEST + 1))}, "500 KB"),
    ],
)
def test_a_bad_document_is_refused_in_one_sentence(
    world: World, as_admin: Client, given: dict[str, Any], sentence: str
) -> None:
    for value in given.values():
        if hasattr(value, "seek"):
            value.seek(0)
    page = as_admin.post(url("instrument_new"), given)
    errors = [error for errors in page.context["form"].errors.values() for error in errors]
    assert len(errors) == 1
    assert sentence in errors[0]
    assert own_versions() == 0


def test_a_long_reason_is_cut_off(world: World, as_admin: Client) -> None:
    document = own_document(items={"long": "x" * 5000})
    page = as_admin.post(url("instrument_new"), {"text": json.dumps(document)})
    (errors,) = page.context["form"].errors.values()
    assert len(errors[0]) < 400


@pytest.mark.parametrize(
    ("document", "changes", "sentence"),
    [
        (own_document(), {"content": "{"}, "not JSON"),
        (own_document(), {"content": ""}, "one of the two"),
        (own_document(), {"content": json.dumps(own_document(scales=[{}]))}, "scales[0]"),
        (own_document(version=f"1.0.{'0' * 30}"), {}, "version: is longer than 20"),
        (own_document(), {"code": "PHQ-9"}, "in the library already"),
        (own_document(), {"title": ""}, "required"),
    ],
)
def test_what_comes_back_from_the_browser_is_checked_again(
    world: World,
    as_admin: Client,
    document: dict[str, Any],
    changes: dict[str, str],
    sentence: str,
) -> None:
    page = save_own(as_admin, document, **changes)
    assert page.status_code == 200
    said = " ".join(str(error) for each in page.context["form"].errors.values() for error in each)
    assert sentence in said
    assert own_versions() == 0


def test_a_code_of_the_library_is_said_to_be_taken(world: World, as_admin: Client) -> None:
    page = as_admin.post(url("instrument_new"), {"text": json.dumps(own_document(code="PHQ-9"))})
    assert "PHQ-9 is in the library already" in text_of(page)


def test_the_same_again_changes_nothing(world: World, as_admin: Client) -> None:
    save_own(as_admin, own_document())
    page = save_own(as_admin, own_document())
    assert "exactly what is stored already" in text_of(page)
    assert own_versions() == 1


def test_what_was_answered_keeps_its_version(
    world: World, as_admin: Client, enrolment: Enrolment
) -> None:
    save_own(as_admin, own_document())
    first = InstrumentVersion.objects.used_by(world.clinic.pk).of_code("NIGHT-2").get()
    response = world.response
    QuestionnaireResponse.objects.filter(pk=response.pk).update(
        instrument_version=first, content_hash=first.content_hash, answers={"a": 1, "b": 0}
    )
    changed = own_document(version="2.0.0")
    changed["wording"]["en"]["items"]["a"] = "Did you rest?"
    page = as_admin.post(url("instrument_new"), {"text": json.dumps(changed)})
    assert "becomes a new version" in text_of(page)
    assert "keeps the version it was answered with" in text_of(page)
    save_own(as_admin, changed)
    second = InstrumentVersion.objects.used_by(world.clinic.pk).of_code("NIGHT-2").get()
    assert second.pk != first.pk
    assert second.definition.wording("en").items["a"] == "Did you rest?"
    assert "Did you sleep?" in text_of(as_admin.get(world.url("response")))


def test_a_retired_own_questionnaire_is_gone_from_the_list(world: World, as_admin: Client) -> None:
    save_own(as_admin, own_document())
    assert as_admin.get(url("instrument_retire", "NIGHT-2")).status_code == 405
    assert as_admin.post(url("instrument_retire", "NIGHT-2")).status_code == 302
    assert as_admin.get(url("instrument", "NIGHT-2")).status_code == 404
    assert AuditEvent.objects.filter(action="instrument.retired").count() == 1
    # The very same content is taken back into use.
    save_own(as_admin, own_document())
    assert as_admin.get(url("instrument", "NIGHT-2")).status_code == 200
    assert own_versions() == 1


def test_what_ships_cannot_be_retired(world: World, as_admin: Client) -> None:
    assert as_admin.post(url("instrument_retire", "PHQ-9")).status_code == 404


def test_text_from_a_file_stays_text(world: World, as_admin: Client) -> None:
    document = own_document(title="<b>bold</b>", notes=["<script>alert(1)</script>"])
    document["wording"]["en"]["items"]["a"] = "<img src=x>"
    page = as_admin.post(url("instrument_new"), {"text": json.dumps(document)})
    assert b"<img src=x>" not in page.content
    save_own(as_admin, document)
    html = as_admin.get(url("instrument", "NIGHT-2")).content.decode()
    for markup in ("<b>bold", "<script>", "<img src=x>"):
        assert markup not in html


# -- The burden ----------------------------------------------------------------------------------


def test_the_schedules_page_counts_minutes_and_names_what_is_left_out(
    world: World, as_care_team: Client, as_admin: Client
) -> None:
    page = as_care_team.get(url("schedules"))
    found = {facts.spec.code: facts for facts in page.context["schedules"]}
    assert set(found) == {path.stem for path in LIBRARY_FOLDER.glob("*.json")}
    plain = found["phq9-gad7-only"]
    assert (plain.left_out, plain.codes) == ([], ["PHQ-9", "GAD-7"])
    assert plain.weeks[0].minutes == 3.5
    said = text_of(page)
    assert "The burden of answering is the barrier" in said
    for facts in found.values():
        for rule, sentences in facts.rules:
            assert rule.title in said
            assert " ".join(rule.basis.split()) in said
            assert " ".join(sentences) in said


def test_a_schedule_of_the_clinic_shows_and_another_clinics_does_not(
    world: World, as_care_team: Client, other_clinic: Clinic
) -> None:
    shipped = Schedule.objects.get(code="phq9-gad7-only", is_current=True)
    content = dict(shipped.rules.all()[0].content, instruments=["PHQ-9", CODE])
    for clinic, name in ((world.clinic, "Ours"), (other_clinic, "Theirs")):
        row = Schedule.objects.create(
            clinic=clinic, code=f"own-{clinic.slug}", version=1, name=name, created_at=NOW
        )
        row.rules.create(code=content["code"], position=0, content=content)
    page = as_care_team.get(url("schedules"))
    names = {facts.spec.name: facts for facts in page.context["schedules"]}
    assert "Ours" in names
    assert "Theirs" not in names
    assert names["Ours"].left_out == [CODE]
    assert f"Left out, because they cannot be sent here: {CODE}" in text_of(page)
