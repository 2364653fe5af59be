"""Every model is listed, and every row that leads to a clinic can be kept from strangers."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models as django_models

import outcomes.models
from outcomes.clinics.models import Clinic, ClinicRow

ROOMS = Path(outcomes.models.__file__).parent
MODELS = [
    model for model in apps.get_app_config("outcomes").get_models() if not model._meta.auto_created
]
# Shared by all clinics, or held by no clinic: what ships with the product, people, the audit's own.
WITHOUT_CLINIC = {
    "AlertRule",
    "AuditChain",
    "AuditEvent",
    "CodeTries",
    "Instrument",
    "InstrumentVersion",
    "DispatchMark",
    "DispatcherLoop",
    "ProviderEvent",
    "ProviderGate",
    "Schedule",
    "ScheduleRule",
    "User",
}


def test_every_model_written_in_a_room_is_in_the_list_of_rooms() -> None:
    written = {
        line.split("class ")[1].split("(")[0]
        for file in ROOMS.glob("*/models.py")
        for line in file.read_text().splitlines()
        if line.startswith("class ")
    }
    concrete = {model.__name__ for model in MODELS}

    assert concrete <= written
    assert concrete == set(outcomes.models.__all__)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_model_that_leads_to_a_clinic_can_be_narrowed_to_a_user(
    model: type[django_models.Model],
) -> None:
    if model.__name__ in WITHOUT_CLINIC:
        assert not issubclass(model, ClinicRow)
        return
    assert model is Clinic or any(field.name == "clinic" for field in model._meta.fields)
    assert callable(getattr(model.objects, "visible_to", None))  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_model_says_what_it_is(model: type[django_models.Model]) -> None:
    assert inspect.getdoc(model)
    assert not (model.__doc__ or "").startswith(f"{model.__name__}(")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_no_rules_hide_in_save_or_signals(model: type[django_models.Model]) -> None:
    assert model.save is django_models.Model.save or model.__name__ == "User"


def test_no_room_uses_signals() -> None:
    users = [
        str(file)
        for file in ROOMS.rglob("*.py")
        if "django.dispatch" in file.read_text() or "db.models.signals" in file.read_text()
    ]
    assert users == []


def test_files_in_rooms_have_no_grab_bag_names() -> None:
    bags = {"utils.py", "helpers.py", "common.py", "misc.py"}

    assert [file for file in ROOMS.rglob("*.py") if file.name in bags] == []
