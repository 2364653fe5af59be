"""The Celery app and the beat table: sweeps that ask the database what is due.

Nothing here reads a setting while it is imported: the settings import this package.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

from config import broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def every(seconds: int, task: str) -> dict[str, Any]:
    """Describe one sweep; one that nobody picked up is dropped before its successor comes."""
    return {
        "task": f"outcomes.tasks.{task}",
        "schedule": float(seconds),
        "options": {"expires": seconds * 0.9, "confirm_timeout": broker.ANSWER_TIMEOUT},
    }


app = Celery("outcomes")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["outcomes"])

app.conf.beat_schedule = {
    "send-alerts": every(10, "send_alerts"),
    "send-bulk": every(20, "send_bulk"),
    "escalate-alerts": every(30, "escalate_alerts"),
    "test-recipients": every(60, "test_recipients"),
    "report-alive": every(30, "report_alive"),
    "plan-due": every(60, "plan_due"),
    "invite-due": every(60, "invite_due"),
    "keep-up-caseloads": every(60, "keep_up_caseloads"),
    "expire-assignments": every(300, "expire_assignments"),
}


@app.on_after_configure.connect
def _prune_the_folder(sender: Celery, **_: Any) -> None:
    if broker.is_folder(sender.conf.broker_url):
        sender.conf.beat_schedule["prune-broker-folder"] = every(600, "prune_broker_folder")
