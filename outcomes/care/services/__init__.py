"""Every write of the care room, by noun."""

from outcomes.care.services.people import (
    CONSENT_WORDING,
    change_patient,
    close_episode,
    create_patient,
    normalise_contact,
    open_episode,
    reachable_contact,
    record_consent,
    record_treatment_change,
    remove_contact,
    set_clinicians,
    set_contact,
    start_course,
)
from outcomes.care.services.sessions import (
    ImplausibleValues,
    add_session,
    cancel_session,
    edit_session,
    move_session,
    next_number,
)

__all__ = [
    "CONSENT_WORDING",
    "ImplausibleValues",
    "add_session",
    "cancel_session",
    "change_patient",
    "close_episode",
    "create_patient",
    "edit_session",
    "move_session",
    "next_number",
    "normalise_contact",
    "open_episode",
    "reachable_contact",
    "record_consent",
    "record_treatment_change",
    "remove_contact",
    "set_clinicians",
    "set_contact",
    "start_course",
]
