"""Import historical scores: all of a file in one transaction, or nothing.

A safety answer in a historical form makes no alert and pages nobody: it is not news, nobody waits
for it, and a pager that rings for old files is soon not heard. It shows wherever the answers do. A
recent one is refused, for it is news.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar
from uuid import UUID

from django.db.models import F

from outcomes.audit import services as audit
from outcomes.audit.models import Actor
from outcomes.care import services as care
from outcomes.care.models import Course, EpisodeOfCare, Patient
from outcomes.clinics.models import Clinic
from outcomes.imports.mapping import ImportRefused, Map
from outcomes.imports.reading import Measurement, Reading, definition_problems, read, read_rows
from outcomes.instruments import scoring
from outcomes.instruments.models import InstrumentVersion
from outcomes.responses.models import Mode, QuestionnaireResponse, ResponseStatus, Score
from outcomes.responses.services import scores_of
from outcomes.scheduling import services as scheduling

Thing = TypeVar("Thing")

# A score that came as a number was not computed here, so no version of our scoring is named.
NOT_SCORED_HERE = "imported"
_AT_ONCE = 500
# A positive safety answer younger than this is no history. A design choice.
RECENT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Line:
    """What would become of one measure: filling-ins new and already here, empty cells skipped."""

    label: str
    new: int
    known: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What an import would do, or did."""

    new_patients: int
    matched_patients: int
    lines: tuple[Line, ...]
    safety: int  #: new filling-ins with an answer at or above a safety threshold

    @property
    def new(self) -> int:
        """Return how many filling-ins are new."""
        return sum(line.new for line in self.lines)


@dataclass(frozen=True, slots=True)
class _Work:
    """A file read against the clinic: what is new, whom it is about, by what versions."""

    new: list[tuple[str, Measurement]]  # submission number, measurement
    versions: dict[str, InstrumentVersion]
    patients: dict[str, Patient]
    preview: Preview


def preview(*, clinic: Clinic, plan: Map, content: bytes, now: datetime) -> Preview:
    """Return what importing the file would do; raises ImportRefused with every problem."""
    versions = _versions(clinic)
    return _prepare(clinic, plan, _read(plan, versions, content, now), versions, now).preview


def import_scores(
    *, clinic: Clinic, plan: Map, content: bytes, by: Actor, now: datetime
) -> Preview:
    """Import a file; the same file again finds everything here and adds nothing.

    Raises ImportRefused with every problem, and then nothing is written.
    """
    # A large file takes long to read, so that is done before anything could have to wait for it.
    versions = _versions(clinic)
    reading = _read(plan, versions, content, now)
    # Patients may go on answering: neither the clinic's key nor its audit chain is locked.
    with audit.atomic():
        # One import of a clinic at a time, so that the next sees what this one wrote.
        Clinic.objects.select_for_update(no_key=True).get(pk=clinic.pk)
        work = _prepare(clinic, plan, reading, versions, now)
        responses = []
        for made in _parts(_responses(clinic, plan, work, by, now)):
            responses += QuestionnaireResponse.objects.bulk_create([one for one, _ in made])
            Score.objects.bulk_create([score for _, scores in made for score in scores], _AT_ONCE)
        _record(clinic, plan, content, responses, by, now)
        # What is to be asked keeps its distance from what was answered on paper, too.
        episodes = {response.episode_id for response in responses}
        for part in _parts(sorted(map(str, episodes))):
            keys = [UUID(key) for key in part]
            courses = Course.objects.filter(episode__in=keys, ended_at=None)
            scheduling.request_plan(courses.values_list("pk", flat=True))
        return work.preview


def _versions(clinic: Clinic) -> dict[str, InstrumentVersion]:
    used = InstrumentVersion.objects.used_by(clinic.pk).select_related("instrument")
    return {version.instrument.code: version for version in used}


def _read(
    plan: Map, versions: dict[str, InstrumentVersion], content: bytes, now: datetime
) -> Reading:
    definitions = {code: version.definition for code, version in versions.items()}
    if problems := list(definition_problems(plan, definitions)):
        raise ImportRefused(problems)
    return read(read_rows(content, plan.delimiter), plan, definitions, now)


def _prepare(
    clinic: Clinic,
    plan: Map,
    reading: Reading,
    versions: dict[str, InstrumentVersion],
    now: datetime,
) -> _Work:
    definitions = {code: version.definition for code, version in versions.items()}
    numbered = {_submission_id(clinic.pk, found): found for found in reading.measurements.values()}
    stored = dict(_stored(clinic, list(numbered)))
    problems = [
        f"{found.where}: {words} imported before, for the same patient and time."
        for number, found in numbered.items()
        if number in stored
        for words in [*found.contradictions(stored[number]), *_additions(found, stored[number])]
    ]
    new = [(number, found) for number, found in numbered.items() if number not in stored]
    problems += [
        f"{found.where}: a positive safety answer of the last {RECENT.days} days needs a person; "
        "let the patient answer by a link, which tells one."
        for _, found in new
        if found.by_item
        and now - found.at < RECENT
        and scoring.score(definitions[found.instrument], found.values).safety
    ]
    if reading.problems or problems:
        raise ImportRefused([*reading.problems, *problems])
    patients = _patients(clinic, {found.record_number for found in numbered.values()})
    return _Work(new, versions, patients, _preview(plan, reading, new, patients, versions))


def _submission_id(clinic_id: UUID, found: Measurement) -> str:
    """Return the same number for the same patient, questionnaire and time, whatever the file."""
    key = f"{clinic_id}\n{found.record_number}\n{found.instrument}\n{found.at.isoformat()}"
    return "import:" + hashlib.sha256(key.encode()).hexdigest()[:56]


def _additions(found: Measurement, known: dict[str, float]) -> list[str]:
    added = [] if found.by_item else [scale for scale in found.values if scale not in known]
    return [f"{scale} cannot be added to what was" for scale in added]


def _parts(things: Iterable[Thing]) -> Iterator[list[Thing]]:
    rest = iter(things)
    while part := list(islice(rest, _AT_ONCE)):
        yield part


def _stored(clinic: Clinic, numbers: list[str]) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield what was imported under these numbers: scores by scale, or the answers given."""
    for part in _parts(numbers):
        responses = QuestionnaireResponse.objects.filter(clinic=clinic, submission_id__in=part)
        for response in responses.prefetch_related("scores"):
            scores = {score.scale: score.value for score in response.scores.all()}
            values = response.answers or scores
            yield (
                response.submission_id,
                {name: value for name, value in values.items() if value is not None},
            )


def _patients(clinic: Clinic, record_numbers: Iterable[str]) -> dict[str, Patient]:
    return {
        patient.record_number: patient
        for part in _parts(sorted(record_numbers))
        for patient in Patient.objects.filter(clinic=clinic, record_number__in=part)
    }


def _labels(found: Measurement) -> list[str]:
    return [f"{found.instrument} {of}" for of in (["answers"] if found.by_item else found.values)]


def _preview(
    plan: Map,
    reading: Reading,
    new: list[tuple[str, Measurement]],
    patients: dict[str, Patient],
    versions: dict[str, InstrumentVersion],
) -> Preview:
    everything = Counter(label for m in reading.measurements.values() for label in _labels(m))
    fresh = Counter(label for _, found in new for label in _labels(found))
    everybody = {found.record_number for found in reading.measurements.values()}
    return Preview(
        new_patients=len(everybody - patients.keys()),
        matched_patients=len(everybody & patients.keys()),
        lines=tuple(
            Line(label, fresh[label], everything[label] - fresh[label], reading.skipped[label])
            for label in dict.fromkeys(measure.label for measure in plan.measures)
        ),
        safety=sum(
            bool(scoring.score(versions[found.instrument].definition, found.values).safety)
            for _, found in new
            if found.by_item
        ),
    )


def _responses(
    clinic: Clinic, plan: Map, work: _Work, by: Actor, now: datetime
) -> Iterator[tuple[QuestionnaireResponse, list[Score]]]:
    episodes = _episodes(clinic, plan, work, by, now)
    for number, found in work.new:
        version, episode = work.versions[found.instrument], episodes[found.record_number]
        definition = version.definition
        response = QuestionnaireResponse(
            clinic_id=clinic.pk,
            patient_id=episode.patient_id,
            episode=episode,
            instrument_version=version,
            content_hash=version.content_hash,
            status=ResponseStatus.FINAL,
            mode=Mode.IMPORT,
            language=plan.language or clinic.language,
            answers=scoring.complete(definition, found.values) if found.by_item else {},
            submitted_at=found.at,
            stored_at=now,
            submission_id=number,
            measurement_number=found.number,
        )
        if found.by_item:
            yield response, scores_of(response, scoring.score(definition, response.answers))
        else:
            yield response, _given(response, found)


def _given(response: QuestionnaireResponse, found: Measurement) -> list[Score]:
    scales = {scale.code: scale for scale in response.instrument_version.definition.scales}
    return [
        Score(
            clinic_id=response.clinic_id,
            response=response,
            patient_id=response.patient_id,
            episode_id=response.episode_id,
            instrument_code=found.instrument,
            scale=code,
            value=value,
            band=scales[code].band_of(value) or "",
            scoring_version=NOT_SCORED_HERE,
            at=found.at,
        )
        for code, value in found.values.items()
    ]


def _episodes(
    clinic: Clinic, plan: Map, work: _Work, by: Actor, now: datetime
) -> dict[str, EpisodeOfCare]:
    """Return each patient's open episode, else the last one, else a new one."""
    first: dict[str, datetime] = {}
    for _, found in work.new:
        first[found.record_number] = min(found.at, first.get(found.record_number, found.at))
    known = {
        episode.patient_id: episode
        for part in _parts(sorted(first))
        for episode in EpisodeOfCare.objects.filter(
            clinic=clinic, patient__record_number__in=part
        ).order_by(F("ended_on").asc(nulls_last=True), "started_on", "pk")
    }
    episodes = {}
    for record_number, at in first.items():
        patient = work.patients.get(record_number) or care.create_patient(
            clinic=clinic,
            record_number=record_number,
            given_name=record_number,
            language=clinic.language,
            time_zone=plan.clock.zone.key,
            # Whoever stands in a file may exist, in a demonstration clinic too.
            is_synthetic=False,
            by=by,
            now=now,
        )
        episodes[record_number] = known.get(patient.pk) or _open(patient, plan, at, by, now)
    return episodes


def _open(
    patient: Patient, plan: Map, first_at: datetime, by: Actor, now: datetime
) -> EpisodeOfCare:
    """Open an episode on the day of its first measurement, with the course the map tells of."""
    episode = care.open_episode(
        patient=patient,
        indication=plan.indication,
        clinicians=[],
        started_on=first_at.astimezone(plan.clock.zone).date(),
        by=by,
        now=now,
    )
    if plan.course_from is not None:
        care.start_course(
            episode=episode,
            kind=plan.course_kind,
            schedule_id=None,
            started_at=plan.course_from,
            by=by,
            now=now,
        )
    return episode


def _record(
    clinic: Clinic, plan: Map, content: bytes, responses: list[QuestionnaireResponse],
    by: Actor, now: datetime,
) -> None:  # fmt: skip
    """Record the import in every patient's trail it touched, and once as a whole."""
    for patient_id, count in Counter(response.patient_id for response in responses).items():
        audit.record(
            clinic_id=clinic.pk,
            by=by,
            now=now,
            action="scores.imported",
            object_type="Patient",
            object_id=patient_id,
            patient_id=patient_id,
            data={"responses": count},
        )
    audit.record(
        clinic_id=clinic.pk,
        by=by,
        now=now,
        action="import.made",
        object_type="Import",
        data={
            "title": plan.title,
            "citation": plan.citation,
            "note": plan.note,
            "file_sha256": hashlib.sha256(content).hexdigest(),
            "responses": len(responses),
        },
    )
