"""One synthetic patient's year, told through the product's own services."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from outcomes import workflows
from outcomes.alerts.models import Alert
from outcomes.care import services as care
from outcomes.care.models import (
    Channel,
    Course,
    CourseKind,
    EpisodeOfCare,
    Patient,
    SessionStatus,
    TreatmentSession,
)
from outcomes.clinics.models import User
from outcomes.delivery import services as delivery
from outcomes.delivery.models import Invitation, Link, MessageState
from outcomes.delivery.sitting import actor_of, assignments_of
from outcomes.instruments.models import InstrumentVersion
from outcomes.management.simulation import model
from outcomes.management.simulation.model import Kind
from outcomes.management.simulation.roster import REMARKS, TREATMENT_CHANGES, Part, Scene
from outcomes.management.simulation.sessions import Fate, draw_fate, record_of
from outcomes.management.simulation.stage import Stage, is_past
from outcomes.responses.models import Mode, QuestionnaireResponse
from outcomes.responses.services import Answers, Words
from outcomes.scheduling.models import Assignment, Schedule

# Nobody but the chosen few answers at the very end, so that the open alerts are known.
QUIET_END = timedelta(hours=2)
LEFT_HALF_DONE = 0.03
# Some go on with maintenance to the end, so that the demo has long charts.
STAY_TO_THE_END = (1, 3)
RETRY = timedelta(hours=2)


@dataclass
class Story:
    """What one patient does, and what the clinic does about them."""

    part: Part
    stage: Stage
    rng: Random
    clinician: User
    definitions: dict[str, InstrumentVersion]
    held: list[datetime] = field(default_factory=list)
    is_dark_at_the_end: bool = False
    patient: Patient = field(init=False)
    episode: EpisodeOfCare = field(init=False)
    course: Course = field(init=False)
    next_look: datetime | None = None
    remarks: dict[int, str] = field(default_factory=REMARKS.copy)

    # -- The clinic --------------------------------------------------------------------------------

    def enrol(self, now: datetime) -> None:
        """Enrol the patient and plan the first sessions."""
        part = self.part
        is_reached = part.scene is not Scene.NO_CONSENT
        email = f"x{part.email}" if part.scene is Scene.WRONG_PERSON else part.email
        code = "ketamine-default" if part.asks_daily_mood else "phq9-gad7-only"
        enrolment = workflows.enrol_patient(
            clinic=self.stage.clinic,
            details=part.details,
            contacts={Channel.EMAIL: email, Channel.SMS: part.phone},
            consents=[Channel.EMAIL] if is_reached else [],
            indication=part.indication,
            clinicians=[self.clinician],
            course_kind=CourseKind.INDUCTION,
            schedule_id=_schedule(code),
            sessions_planned_at=part.induction(),
            by=self.clinician.actor,
            now=now,
        )
        self.patient, self.episode = enrolment.patient, enrolment.episode
        self.course = enrolment.course
        sessions = list(self.course.sessions.in_order())
        for session in sessions:
            self._expect(session)
        self._at(sessions[-1].planned_at + timedelta(days=15, hours=1), self._decide)
        self.look(now)

    def _expect(self, session: TreatmentSession) -> None:
        fate = draw_fate(self.rng)
        if fate is Fate.HELD:
            self._expect_held(session, session.planned_at)
        elif fate is Fate.NO_SHOW:
            self._at(session.planned_at + timedelta(hours=1), lambda now: self._miss(session, now))
        else:
            self._at(
                session.planned_at - timedelta(hours=22),
                lambda now: self._put_off(session, fate, now),
            )

    def _expect_held(self, session: TreatmentSession, planned_at: datetime) -> None:
        if self.part.scene is Scene.NO_CONSENT:
            self._at(planned_at - timedelta(minutes=25), self._answer_in_the_clinic)
        late = timedelta(days=1) if self.rng.random() < 0.03 else timedelta(hours=2, minutes=30)
        self._at(planned_at + late, lambda now: self._hold(session, planned_at, now))

    def _hold(self, session: TreatmentSession, planned_at: datetime, now: datetime) -> None:
        level = len(self.held)
        record = record_of(self.part, planned_at, level, self.clinician.name, self.rng)
        workflows.edit_session(
            session=session,
            changes=record,
            reason="Session held",
            by=self.clinician.actor,
            now=now,
            is_confirmed=True,
        )
        self.held.append(record["started_at"])
        if self.course.kind == CourseKind.MAINTENANCE:
            self._plan_next(planned_at, now)
        else:
            self.look(now)

    def _miss(self, session: TreatmentSession, now: datetime) -> None:
        workflows.cancel_session(
            session=session,
            reason="Patient did not come; reached by phone",
            status=SessionStatus.NO_SHOW,
            by=self.clinician.actor,
            now=now,
        )
        self._plan_instead(session, now)

    def _put_off(self, session: TreatmentSession, fate: Fate, now: datetime) -> None:
        if fate is Fate.CANCELLED:
            workflows.cancel_session(
                session=session, reason="Patient has a cold", by=self.clinician.actor, now=now
            )
            self._plan_instead(session, now)
            return
        planned_at = self.part.session_at(session.planned_at.date() + timedelta(days=1))
        workflows.move_session(
            session=session,
            planned_at=planned_at,
            reason="Escort not available",
            by=self.clinician.actor,
            now=now,
        )
        self._expect_held(session, planned_at)
        self.look(now)

    def _plan_instead(self, session: TreatmentSession, now: datetime) -> None:
        """Plan a session in place of one that was not held, after those planned already."""
        last = max(item.planned_at for item in self.course.sessions.all())
        self._plan(max(last, session.planned_at).date() + timedelta(days=3), now)

    def _plan(self, day: date, now: datetime) -> None:
        """Plan one more session, for this day or the next working day."""
        record = {"planned_at": self.part.session_at(day), "status": SessionStatus.PLANNED}
        session = workflows.record_session(
            course=self.course, record=record, by=self.clinician.actor, now=now
        )
        self._expect(session)
        self.look(now)

    def _decide(self, now: datetime) -> None:
        """Go on with maintenance two weeks after the first sessions, or end."""
        goes_on = self.part.person.kind is not Kind.NON_RESPONDER or self.rng.random() < 0.3
        if self.part.person.kind not in (Kind.RESPONDER, Kind.PARTIAL) or self.rng.random() < 0.2:
            self._change_treatment(now)
        if not goes_on:
            self._at(now + timedelta(days=self.rng.randrange(14, 40)), self._close)
            return
        self.course = workflows.start_course(
            episode=self.episode,
            kind=CourseKind.MAINTENANCE,
            schedule_id=_schedule("phq9-gad7-only"),
            by=self.clinician.actor,
            now=now,
        )
        self._plan(now.date() + timedelta(days=6), now)
        if self.part.number not in STAY_TO_THE_END and self.rng.random() < 0.95:
            self._at(now + timedelta(days=self.rng.randrange(14, 50)), self._close)

    def _plan_next(self, planned_at: datetime, now: datetime) -> None:
        usual = 24 if self.part.person.kind is Kind.RELAPSING else 30
        days = usual + self.rng.randrange(0, 12)
        self._plan(planned_at.date() + timedelta(days=days), now)

    def _change_treatment(self, now: datetime) -> None:
        care.record_treatment_change(
            episode=self.episode,
            happened_on=now.date(),
            description=self.rng.choice(TREATMENT_CHANGES),
            by=self.clinician.actor,
            now=now,
        )

    def _close(self, now: datetime) -> None:
        for session in self.course.sessions.filter(status=SessionStatus.PLANNED):
            workflows.cancel_session(
                session=session, reason="Treatment ends", by=self.clinician.actor, now=now
            )
        workflows.close_episode(episode=self.episode, by=self.clinician.actor, now=now)
        self.episode.refresh_from_db()

    def _at(self, moment: datetime, act: Callable[[datetime], None]) -> None:
        """Put down an act that falls away once the clinic's responsibility has ended."""

        def unless_ended(now: datetime) -> None:
            if self.episode.ended_on is None:
                act(now)

        self.stage.clock.at(moment, unless_ended)

    # -- The workers, for this patient -------------------------------------------------------------

    def look(self, now: datetime) -> None:
        """Let the workers do what is due for this patient, and put down when they look again."""
        due = self.stage.moments(self.patient)
        if any(is_past(moment, now) for moment in due.values()):
            invitation = self.stage.sweep(self.patient, due, now)
            if invitation is not None:
                self._receive(invitation, now)
            due = self.stage.moments(self.patient)
        # What stays due at this very moment is left for the real workers.
        later = [moment for moment in due.values() if moment is not None and moment > now]
        if later:
            # A worker looks within the minute, never at the very instant.
            self.next_look = min(later) + timedelta(seconds=20)
            self.stage.clock.at(self.next_look, self._look_again)

    def _look_again(self, now: datetime) -> None:
        # Only the newest of the moments that were put down counts.
        if self.next_look == now:
            self.look(now)

    # -- The patient -------------------------------------------------------------------------------

    def _receive(self, invitation: Invitation, now: datetime) -> None:
        """Decide whether and when the patient answers what they were asked."""
        scene = self.part.scene
        if scene in (Scene.ANSWERABLE, Scene.WAITING, Scene.NO_CONSENT):
            return
        if scene is Scene.WRONG_PERSON and self._is_first(invitation):
            self._at(now + timedelta(hours=3), lambda then: self._decline(invitation, then))
            return
        answerable = assignments_of(invitation, now)
        reminders = [datetime.fromisoformat(at) for item in answerable for at in item.reminders_at]
        at = model.answers_at(
            self.part.person, now, reminders, invitation.closes_at, self.part.zone, self.rng
        )
        if at is not None and at < self.stage.ends_at - QUIET_END:
            self._at(at, lambda then: self._answer_by_link(invitation, then))

    def _is_first(self, invitation: Invitation) -> bool:
        return not self.patient.invitations.exclude(pk=invitation.pk).exists()

    def _decline(self, invitation: Invitation, now: datetime) -> None:
        """Let a stranger who got the message say so; the clinic then asks for the right address."""
        by = actor_of(invitation)
        for guess in (date(1980, 1, 1), date(1990, 1, 1)):
            delivery.check_birth_date(sent=invitation, birth_date=guess, by=by, now=now)
        workflows.decline_invitation(invitation=invitation, by=by, now=now)
        self._at(now + timedelta(hours=18), self._correct_address)

    def _correct_address(self, now: datetime) -> None:
        workflows.change_contact(
            patient=self.patient,
            channel=Channel.EMAIL,
            value=self.part.email,
            by=self.clinician.actor,
            now=now,
        )
        self._answer_in_the_clinic(now)

    def _answer_in_the_clinic(self, now: datetime) -> None:
        """Hand the patient a link and let them answer on the spot."""
        address = workflows.hand_over_link(patient=self.patient, by=self.clinician.actor, now=now)
        if address is not None:
            invitation = self.patient.invitations.latest("created_at")
            self._answer(invitation, Mode.KIOSK, now + timedelta(minutes=4))

    def _answer_by_link(self, invitation: Invitation, now: datetime) -> None:
        links = Link.objects.filter(
            invitation=invitation, message__state=MessageState.SENT, revoked_at=None
        )
        link = links.select_related("invitation").order_by("-created_at").first()
        if link is None:  # still held back by the quiet hours
            if now + RETRY < min(invitation.closes_at, self.stage.ends_at - QUIET_END):
                self._at(now + RETRY, lambda then: self._answer_by_link(invitation, then))
            return
        delivery.note_opened(link=link, now=now)
        if not delivery.is_live(link, now):
            return
        delivery.check_birth_date(
            sent=invitation,
            birth_date=self.patient.birth_date,
            by=actor_of(invitation),
            now=now,
        )
        self._answer(invitation, Mode.LINK, now)

    def _answer(self, invitation: Invitation, mode: Mode, now: datetime) -> None:
        asked = assignments_of(invitation, now)
        if not asked:
            return
        sitting = {item.pk: self._fill_in(item, now) for item in asked}
        if mode is Mode.LINK and self.rng.random() < LEFT_HALF_DONE:
            self._leave_half_done(asked[0], sitting[asked[0].pk], invitation, now)
            return
        submissions = workflows.submit_sitting(
            sitting=sitting,
            sitting_id=invitation.pk.hex,
            language=self.patient.language,
            mode=mode,
            by=actor_of(invitation),
            now=now,
            words=self._words(len(sitting)),
        )
        for alert in (alert for submission in submissions for alert in submission.alerts):
            self._page(alert, now)

    def _words(self, questionnaires: int) -> Words | None:
        # In English: a patient who is asked in another language says nothing here.
        if questionnaires < 2 or self.patient.language != "en":
            return None
        text = self.remarks.pop(len(self.held), "")
        return Words(text, "en") if text else None

    def _fill_in(self, assignment: Assignment, now: datetime) -> dict[str, int | None]:
        definition = self.definitions[assignment.instrument.code].definition
        level = model.severity(self.part.person, self.held, now)
        answers = model.answer(definition, self.part.person, level, self.rng)
        if self.is_dark_at_the_end:
            for item in definition.items:
                if item.safety is not None:
                    answers[item.link_id] = max(item.safety.at_least, answers[item.link_id] or 0)
        return answers

    def _leave_half_done(
        self, assignment: Assignment, answers: Answers, invitation: Invitation, now: datetime
    ) -> None:
        first_half = dict(list(answers.items())[: len(answers) // 2 + 1])
        response: QuestionnaireResponse = workflows.save_answers(
            assignment_id=assignment.pk,
            answers=first_half,
            language=self.patient.language,
            mode=Mode.LINK,
            by=actor_of(invitation),
            now=now,
        )
        for alert in Alert.objects.filter(response=response):
            self._page(alert, now)

    def _page(self, alert: Alert, now: datetime) -> None:
        if self.is_dark_at_the_end:
            self.stage.leave_open(alert, now)
        else:
            self.stage.watch(alert, self.clinician, self.rng, now)

    # -- The end -----------------------------------------------------------------------------------

    def can_answer_at(self, now: datetime) -> bool:
        """Say whether a questionnaire with a safety question is open to them at this moment."""
        if self.part.enrolled_at > now or self.part.scene not in (Scene.ORDINARY, Scene.WAITING):
            return False
        open_to_them = Assignment.objects.filter(patient=self.patient).under_way()
        live = self.patient.invitations.live_at(now).filter(links__message__state=MessageState.SENT)
        return live.filter(assignments__in=open_to_them.filter(instrument__code="PHQ-9")).exists()

    def answer_darkly(self, now: datetime) -> None:
        """Answer with a positive safety item; the alert stays open."""
        self.is_dark_at_the_end = True
        invitation = self.patient.invitations.live_at(now).latest("created_at")
        self._answer_by_link(invitation, now)


def _schedule(code: str) -> Any:
    return Schedule.objects.get(clinic=None, code=code, is_current=True).pk
