"""R4, R19: a day without the provider, and people who want to be left alone; in virtual time."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from urllib.parse import urlencode
from uuid import uuid4

from tests.campaign.figure import Figure
from tests.campaign.stage import staged

BEGINS = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
OUTAGE = timedelta(hours=24)
WITHIN = timedelta(minutes=15)
TASK_WITHIN = timedelta(minutes=5)


def play(database: str, *, is_full: bool) -> Iterator[Figure]:
    """Yield the figures of one database."""
    with staged(database, is_quick=True) as stage:
        yield _a_day_without_the_provider(stage.folder, 200 if is_full else 20, is_full=is_full)
        yield _people_who_stop(stage.folder, 300 if is_full else 60)


# -- R4 ------------------------------------------------------------------------------------------


def _a_day_without_the_provider(folder: Path, count: int, *, is_full: bool) -> Figure:
    from outcomes import workflows
    from outcomes.alerts.models import Alert
    from outcomes.care.models import Channel
    from outcomes.delivery import channels
    from outcomes.delivery.channels.base import Guarantee
    from outcomes.delivery.models import Lane, Message
    from outcomes.responses.models import Mode
    from tests.campaign.boundary import Clock, Mailbag
    from tests.campaign.world import make_people

    random, clock = Random(24), Clock(BEGINS)
    people = make_people(count, BEGINS, prefix="day", positives=1)
    moments = sorted(BEGINS + OUTAGE * random.random() for _ in people)
    mailbag = Mailbag(folder / "day", Guarantee.PLAIN, is_down=True)
    channels.providers()[Channel.EMAIL] = mailbag
    waiting = list(zip(moments, people, strict=True))

    def go_round() -> None:
        workflows.escalate_due(now=clock())
        workflows.send_due(lane=Lane.ALERT, clock=clock)

    while clock() < BEGINS + OUTAGE:
        while waiting and waiting[0][0] <= clock():
            at, person = waiting.pop(0)
            workflows.submit_response(
                assignment_id=person.assignment_id,
                answers=person.answers,
                submission_id=person.submission_id,
                language="en",
                mode=Mode.LINK,
                by=_patient(person.patient_id),
                now=at,
            )
        go_round()
        clock.move(seconds=30 if is_full else 120)
    tries = Message.objects.filter(lane=Lane.ALERT).count()
    mailbag.is_down, back = False, clock()
    alerts = {str(key) for key in Alert.objects.values_list("pk", flat=True)}
    reached: dict[str, timedelta] = {}
    while clock() <= back + 2 * WITHIN and len(reached) < len(alerts):
        go_round()
        for _key, _to, text in mailbag.read():
            for key in alerts - reached.keys():
                if key in text:
                    reached[key] = clock() - back
        clock.move(seconds=10)
    late = sum(delay > WITHIN for delay in reached.values()) + len(alerts - reached.keys())
    failed = Message.objects.filter(lane=Lane.ALERT, state__in=("failed", "quarantined")).count()
    longest = max(reached.values(), default=timedelta())
    text = (
        f"{len(reached)} of {len(alerts)} alerts of a 24 h outage ({tries:,} pages) delivered, "
        f"the last {longest.total_seconds() / 60:.1f} min after its end (at most 15), "
        f"{failed} failed for good"
    )
    return Figure("R4", len(alerts) == count and not late and not failed, text)


def _patient(patient_id: object) -> object:
    from outcomes.audit.models import Actor

    return Actor(kind="patient", id=str(patient_id), label="Patient")


# -- R19 -----------------------------------------------------------------------------------------


def _people_who_stop(folder: Path, count: int) -> Figure:
    from django.test import Client, override_settings

    from outcomes import workflows
    from outcomes.care.models import Channel, Contact
    from outcomes.delivery import channels
    from outcomes.delivery import services as delivery
    from outcomes.delivery.channels.base import Guarantee
    from outcomes.delivery.models import Lane, Message, ProviderEvent, ProviderEventKind, Unreached
    from tests.campaign.boundary import Clock, Mailbag
    from tests.campaign.world import make_people

    random, begins = Random(19), BEGINS + timedelta(days=10)
    clock = Clock(begins)
    people = make_people(count, begins, prefix="stop", is_invited=True)
    mailbag = Mailbag(folder / "stop", Guarantee.KEYED)
    channels.providers()[Channel.EMAIL] = mailbag
    _send_all(workflows, clock)
    first = len(mailbag.read())
    told = clock()
    # A reminder waits for everybody: none of them may go out.
    for message in Message.objects.filter(created_at=begins):
        Message.objects.create(
            clinic_id=message.clinic_id,
            kind="reminder",
            lane=Lane.BULK,
            channel=Channel.EMAIL,
            dedupe=f"again:{message.pk}",
            patient_id=message.patient_id,
            link=delivery.create_link(invitation=message.link.invitation, now=told),
            not_before=told,
            created_at=told,
        )
    kinds = ProviderEventKind
    sent = {row.patient_id: row for row in Message.objects.filter(created_at=begins)}
    for number, person in enumerate(people):
        message = sent[person.patient_id]
        if number % 3 == 2:
            contact = Contact.objects.get(patient=person.patient_id)
            for _ in range(2):
                workflows.unsubscribe(contact=contact, message_id=message.pk, now=told)
            continue
        stop = kinds.STOPPED if number % 3 == 0 else kinds.BOUNCED
        # What was said before, told late, twice and in any order, changes nothing.
        said = [(stop, 0), (kinds.DELIVERED, -20), (kinds.DEFERRED, -30)]
        if stop == kinds.STOPPED:
            said.append((kinds.STARTED, -40))
        reports = [
            delivery.Report(
                provider=mailbag.name,
                event_key=f"{kind}-{message.pk}",
                kind=kind,
                channel=Channel.EMAIL,
                happened_at=told + timedelta(seconds=seconds),
                message_id=message.pk,
                to=person.email,
            )
            for kind, seconds in said
        ] * 2
        random.shuffle(reports)
        for report in reports:
            workflows.take_report(report=report, now=told)
    events = ProviderEvent.objects.count()
    clock.move(seconds=60)
    _send_all(workflows, clock)
    further = len(mailbag.read()) - first
    tasks = Unreached.objects.open().filter(raised_at__lte=told + TASK_WITHIN)
    untold = count - tasks.values("patient").distinct().count()
    stopped = Contact.objects.filter(patient__in=[p.patient_id for p in people]).exclude(
        suppressed_at=None
    )
    heard = count - stopped.count()
    forged = {
        "MessageSid": "SM1",
        "MessageStatus": "failed",
        "From": "+12025550123",
        "Body": "STOP",
    }
    # Each in the kind of body that its provider sends; any other is refused unread.
    form = ("application/x-www-form-urlencoded", urlencode(forged))
    plain = ("application/json", json.dumps(forged))
    posts = {
        "twilio/incoming/": form,
        f"twilio/status/{uuid4()}/": form,
        "telnyx/incoming/": plain,
        "mail/postmark/": plain,
    }
    providers = {"SMS_PROVIDER": "twilio", "SMS_KEY": "key", "EMAIL_PROVIDER": "postmark"}
    with override_settings(
        **providers, ANYMAIL={"WEBHOOK_SECRET": f"{uuid4()}:{uuid4()}"}, ALLOWED_HOSTS=["*"]
    ):
        logging.disable()  # what is forged is logged with where it was refused
        client = Client(headers={"X-Twilio-Signature": "forged"})
        answers = [
            client.post(_hook(path), body, content_type=kind).status_code
            for path, (kind, body) in posts.items()
        ]
    taken = ProviderEvent.objects.count() - events
    refused = sum(status == 403 for status in answers)
    text = (
        f"{count} people said STOP, unsubscribed or bounced: {further} further messages, "
        f"{heard} not stopped, {untold} without a task for staff, at once; reports twice and in "
        f"any order; {refused} of {len(posts)} forged ones refused, {taken} taken"
    )
    is_held = not (further or untold or heard or taken) and refused == len(posts) and first == count
    return Figure("R19", is_held, text)


def _hook(path: str) -> str:
    from django.urls import reverse

    return reverse("api:mail_hook", args=["x"]).removesuffix("mail/x/") + path


def _send_all(workflows: object, clock: object) -> None:
    while workflows.send_due(lane="bulk", clock=clock):
        pass
