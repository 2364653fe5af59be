"""What was done, by whom, when: an append-only, hash-chained record without foreign keys."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, NoReturn

from django.db import models
from uuid_utils.compat import uuid7


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a signed-in user, a patient's link, an API token, or the system itself.

    `id` is the row's key as text; `label` is what an auditor reads, and never a patient's name.
    """

    kind: str  # "user" | "patient" | "token" | "system"
    id: str
    label: str


SYSTEM = Actor(kind="system", id="", label="Outcomes")


class AuditChain(models.Model):
    """Hold the end of one clinic's chain, locked while an event is appended."""

    clinic_id = models.UUIDField(primary_key=True)
    number = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64, blank=True, default="")

    def __str__(self) -> str:
        return f"{self.clinic_id} at {self.number}"


class AuditEvent(models.Model):
    """Record one write, or one reading of a patient's record."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic_id = models.UUIDField()
    number = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=10)
    actor_id = models.CharField(max_length=40, blank=True)
    actor_label = models.CharField(max_length=254)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=40, blank=True)
    patient_id = models.UUIDField(null=True, db_index=True)
    reason = models.TextField(blank=True)
    data = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["clinic_id", "number"], name="audit_event_chain"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.action}"

    def content(self) -> dict[str, Any]:
        """Return what the hash covers: every column but the hash itself, as JSON-ready values."""
        return {
            "clinic_id": str(self.clinic_id),
            "number": self.number,
            "at": self.at.isoformat(),
            "actor": [self.actor_kind, self.actor_id, self.actor_label],
            "action": self.action,
            "object": [self.object_type, self.object_id],
            "patient_id": str(self.patient_id) if self.patient_id else None,
            "reason": self.reason,
            "data": self.data,
            "previous_hash": self.previous_hash,
        }

    def computed_hash(self) -> str:
        """Return the SHA-256 of the event's content, which includes the hash before it."""
        text = json.dumps(self.content(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the record is append-only."""
        raise TypeError("An audit event is never deleted.")
