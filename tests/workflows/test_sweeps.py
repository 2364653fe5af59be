"""Sweeps: what fails, however much of it, holds up nothing else."""

from __future__ import annotations

from datetime import datetime

import pytest

from outcomes import workflows
from outcomes.care.models import Course
from outcomes.clinics.models import Clinic, User
from outcomes.scheduling import services as scheduling
from tests.conftest import make_enrolment


def test_courses_that_cannot_be_planned_hold_up_no_other(
    clinic: Clinic, clinician: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("Ann", "Ben", "Cho", "Dee")
    courses = [make_enrolment(clinic, clinician, name).course for name in names]
    Course.objects.update(needs_plan=True)
    broken, replan = {course.pk for course in courses[:3]}, scheduling.replan
    tried: list[object] = []

    def fail_on_some(*, course: Course, now: datetime) -> None:
        tried.append(course.pk)
        if course.pk in broken:
            raise ValueError
        replan(course=course, now=now)

    monkeypatch.setattr(scheduling, "replan", fail_on_some)
    monkeypatch.setattr(workflows.sweeping, "AT_MOST", 2)

    assert workflows.replan_due(now=now) == 1
    assert set(Course.objects.filter(needs_plan=True)) == set(courses[:3])
    assert len(tried) == len(set(tried)) == 4
