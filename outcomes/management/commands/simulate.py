"""Make synthetic clinics: the demo, an empty one, or many patients at once."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from dataclasses import dataclass
from typing import Any, NoReturn

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email, validate_slug
from django.db import OperationalError, ProgrammingError, transaction
from django.urls import reverse
from django.utils import timezone

from outcomes.alerts import services as alerts
from outcomes.audit.models import SYSTEM
from outcomes.clinics import services as clinics
from outcomes.clinics.access import Role
from outcomes.clinics.models import Clinic, User
from outcomes.instruments.models import InstrumentVersion
from outcomes.management.simulation.builder import MailWaiting, build_demo
from outcomes.management.simulation.bulk import Stored, fill_clinic

EMPTY_CRISIS_TEXT = "If you are in danger, call your local emergency number now."
# Two, as a clinic needs before it may ask a safety question.
SYNTHETIC_CLINICIANS = (
    ("clinician", "Dr Amara Synthetic"),
    ("clinician2", "Dr Jonas Synthetic"),
)
PROGRESS_EVERY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for, checked."""

    is_demo: bool
    slug: str
    clinics: int
    patients: int
    seed: int
    admin_email: str

    @property
    def slugs(self) -> list[str]:
        """Return one slug per clinic."""
        if self.clinics == 1:
            return [self.slug]
        return [f"{self.slug}-{number}" for number in range(1, self.clinics + 1)]


class Command(BaseCommand):
    """Make the demo clinic, an empty clinic, or clinics with many synthetic patients."""

    help = (
        "Make the demo clinic (--demo), an empty clinic (--patients 0 --slug NAME) or clinics "
        "with many synthetic patients (--patients 100000 --clinics 20)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the numbers as text, so that a bad one gets one sentence."""
        parser.add_argument("--demo", action="store_true", help="the demo clinic (default)")
        parser.add_argument("--clinics", default="1", help="how many clinics (1)")
        parser.add_argument("--patients", help="how many patients in all; 0 makes empty clinics")
        parser.add_argument("--slug", help="the clinic's name in addresses")
        parser.add_argument("--seed", default="1", help="the same seed makes the same patients (1)")
        parser.add_argument("--admin-email", default="", help="add this person as clinic admin")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check what was asked for, then make it."""
        wish = read_wish(options)
        require_library()
        if wish.is_demo:
            self._make_demo(wish)
        elif wish.patients == 0:
            self._make_empty(wish)
        else:
            self._make_many(wish)

    def _make_demo(self, wish: Wish) -> None:
        started = time.monotonic()
        refuse_taken(wish.slugs)
        try:
            demo = build_demo(slug=wish.slug, seed=wish.seed, now=timezone.now())
        except MailWaiting:
            refuse(
                "Mail of other clinics waits to be sent: use a database of its own for the demo."
            )
        took = time.monotonic() - started
        self.stdout.write(f"{demo.clinic.name}: {demo.patients} synthetic patients ({took:.0f} s).")

    def _make_empty(self, wish: Wish) -> None:
        made = list(Clinic.objects.filter(slug__in=wish.slugs))
        if len(made) < wish.clinics or not wish.admin_email:
            refuse_taken(wish.slugs)
            made = [make_clinic(slug, is_synthetic=False) for slug in wish.slugs]
            self.stdout.write(f"Made without patients: {', '.join(wish.slugs)}.")
        self._add_admin(made, wish)

    def _make_many(self, wish: Wish) -> None:
        refuse_taken(wish.slugs)
        now, made = timezone.now(), []
        tally = Tally(wish.patients, time.monotonic())
        for number, slug in enumerate(wish.slugs):
            clinic = make_clinic(slug, is_synthetic=True)
            made.append(clinic)
            clinician, _second = (
                add_synthetic_clinician(clinic, f"{mailbox}@{slug}.example", name)
                for mailbox, name in SYNTHETIC_CLINICIANS
            )
            share = wish.patients // wish.clinics + (number < wish.patients % wish.clinics)
            for stored in fill_clinic(
                clinic=clinic,
                clinician=clinician,
                patients=share,
                seed=f"{wish.seed}:{number}",
                now=now,
            ):
                if tally.add(stored):
                    self.stdout.write(tally.line())
        self.stdout.write(tally.line())
        self._add_admin(made, wish)

    def _add_admin(self, made: list[Clinic], wish: Wish) -> None:
        if not wish.admin_email:
            command = "python manage.py simulate --patients 0"
            self.stdout.write("Nobody can sign in yet. Add the first clinic admin with:")
            self.stdout.write(f"  {command} --slug {made[0].slug} --admin-email ADDRESS")
            return
        for clinic in made:
            user = add_admin(clinic, wish.admin_email)
        self.stdout.write(f"{wish.admin_email} sets a password once at:")
        self.stdout.write(f"  {password_address(user)}")


@dataclass
class Tally:
    """Count what is stored, and how fast."""

    wanted: int
    started: float
    patients: int = 0
    responses: int = 0
    said: float = 0.0

    def add(self, stored: Stored) -> bool:
        """Count a batch; return whether it is time to say so."""
        self.patients += stored.patients
        self.responses += stored.responses
        is_time = time.monotonic() - self.said >= PROGRESS_EVERY_SECONDS
        return is_time and self.patients < self.wanted

    def line(self) -> str:
        """Return where it stands, in one line."""
        self.said = time.monotonic()
        seconds = max(self.said - self.started, 0.001)
        stored = f"{self.patients:,} of {self.wanted:,} patients, {self.responses:,} responses"
        rates = (self.patients / seconds, self.responses / seconds)
        return "{}: {:,.0f} patients/s, {:,.0f} responses/s".format(stored, *rates)


def refuse(sentence: str) -> NoReturn:
    """End with one sentence and exit status 2."""
    raise CommandError(sentence, returncode=2) from None


def read_wish(options: dict[str, Any]) -> Wish:
    """Return what was asked for, or refuse it with one sentence."""
    is_demo = options["demo"] or options["patients"] is None
    if options["demo"] and options["patients"] is not None:
        refuse("--demo decides the number of patients itself: leave out --patients.")
    if is_demo and settings.PRODUCTION:
        refuse("The demo clinic has passwords that everybody knows: not in production.")
    patients = 0 if is_demo else whole_number("--patients", options["patients"], 0)
    default_slug = "demo" if is_demo else "synthetic" if patients else "clinic"
    wish = Wish(
        is_demo=is_demo,
        slug=options["slug"] or default_slug,
        clinics=whole_number("--clinics", options["clinics"], 1),
        patients=patients,
        seed=whole_number("--seed", options["seed"], 0),
        admin_email=options["admin_email"],
    )
    if is_demo and wish.clinics > 1:
        refuse("There is one demo clinic: leave out --clinics.")
    check_names(wish)
    return wish


def whole_number(name: str, text: str, least: int) -> int:
    """Return the number, or refuse with one sentence what is none or too small."""
    if not str(text).isdecimal() or int(text) < least:
        refuse(f"{name} must be a whole number of at least {least}, not {text!r}.")
    return int(text)


def require_library() -> None:
    """Refuse a database that was not set up."""
    try:
        is_ready = InstrumentVersion.objects.exists()
    except (OperationalError, ProgrammingError):
        is_ready = False
    if not is_ready:
        refuse("The database is not set up yet: run `python manage.py setup` first.")


def check_names(wish: Wish) -> None:
    """Refuse a slug or an address that is none."""
    try:
        validate_slug(wish.slug)
    except ValidationError:
        refuse(f"{wish.slug!r} cannot stand in an address: use letters, digits and hyphens.")
    if wish.admin_email:
        try:
            validate_email(wish.admin_email)
        except ValidationError:
            refuse(f"{wish.admin_email!r} is not an e-mail address.")


def refuse_taken(slugs: list[str]) -> None:
    """Refuse to touch a clinic that exists."""
    taken = Clinic.objects.filter(slug__in=slugs).values_list("slug", flat=True).first()
    if taken is not None:
        refuse(f"There is a clinic {taken!r} already: choose another --slug.")


@transaction.atomic
def make_clinic(slug: str, *, is_synthetic: bool) -> Clinic:
    """Make a clinic without patients or staff."""
    return clinics.create_clinic(
        slug=slug,
        name=slug.replace("-", " ").title(),
        crisis_text=EMPTY_CRISIS_TEXT,
        is_synthetic=is_synthetic,
        by=SYSTEM,
        now=timezone.now(),
    )


@transaction.atomic
def add_admin(clinic: Clinic, email: str) -> User:
    """Make a person a clinic admin; a new account has no password until its owner sets one.

    Whoever runs the installation speaks for who has an account: else nobody could open the clinic.
    """
    now = timezone.now()
    member = clinics.add_member(
        clinic=clinic, email=email, name=email, role=Role.CLINIC_ADMIN, by=SYSTEM, now=now
    )
    if member.accepted_at is None:
        clinics.accept_membership(membership=member, by=SYSTEM, now=now)
    alerts.test_if_needed(clinic=clinic, user=member.user, by=SYSTEM, now=now)
    return member.user


def add_synthetic_clinician(clinic: Clinic, email: str, name: str) -> User:
    """Make a clinician who does not exist, so whose test alert is confirmed for them."""
    now = timezone.now()
    member = clinics.add_member(
        clinic=clinic, email=email, name=name, role=Role.CLINICIAN, by=SYSTEM, now=now
    )
    alerts.confirm(clinic=clinic, user=member.user, by=SYSTEM, now=now)
    return member.user


def password_address(user: User) -> str:
    """Return an address at which the user sets a password; it works once."""
    key = default_token_generator.make_token(user)
    kwargs = {"uidb36": user_pk_to_url_str(user), "key": key}
    return f"{settings.BASE_URL}{reverse('account_reset_password_from_key', kwargs=kwargs)}"
