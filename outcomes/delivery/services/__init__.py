"""Every write of the delivery room, by noun."""

from outcomes.delivery.services.alerts import cancel_alert_messages, queue_alert_message
from outcomes.delivery.services.invitations import (
    MAX_CHECKS,
    address_of,
    check_birth_date,
    create_invitation,
    create_link,
    find_link,
    finish_invitations,
    is_astray,
    is_live,
    note_opened,
    queue_invitation_message,
    queue_reminder,
    revoke_for_patient,
    revoke_invitation,
    unlock_for_patient,
)
from outcomes.delivery.services.outbox import CHANNELS, backoff, claim_next, send_next

__all__ = [
    "CHANNELS",
    "MAX_CHECKS",
    "address_of",
    "backoff",
    "cancel_alert_messages",
    "check_birth_date",
    "claim_next",
    "create_invitation",
    "create_link",
    "find_link",
    "finish_invitations",
    "is_astray",
    "is_live",
    "note_opened",
    "queue_alert_message",
    "queue_invitation_message",
    "queue_reminder",
    "revoke_for_patient",
    "revoke_invitation",
    "send_next",
    "unlock_for_patient",
]
