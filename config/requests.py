"""The request a staff page gets: one that has passed the clinic's door."""

from django.http import HttpRequest

from outcomes.clinics.models import Clinic, Membership


class StaffRequest(HttpRequest):
    """A request whose user is a member of `clinic`; `config.security` has made sure of it."""

    clinic: Clinic
    membership: Membership
