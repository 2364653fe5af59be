"""The product's own checks find nothing to say, at whatever hour they are run."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import time_machine
from django.conf import settings
from django.core.checks import run_checks


@pytest.mark.parametrize("hour", [8, 21])
def test_quiet_hours_that_begin_or_end_now_are_no_mistake(hour: int) -> None:
    with time_machine.travel(datetime(2026, 11, 27, hour, tzinfo=UTC), tick=False):
        said = [message.id for message in run_checks()]
    assert set(said) <= set(settings.SILENCED_SYSTEM_CHECKS)
