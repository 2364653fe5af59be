"""A small map, and ways to change it."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from django.apps import apps

from outcomes.imports.mapping import ImportRefused, Map

MAP: dict[str, Any] = {
    "title": "A test's own",
    "patient": {"column": "id", "prefix": "old-"},
    "indication": "depression",
    "time": {"zone": "Europe/Berlin", "at": "12:00", "date": {"column": "on"}},
    "missing": ["NA", "-9"],
    "measures": [
        {"instrument": "BDI-II", "column": "bdi"},
        {"instrument": "WHO-5", "column": "who", "multiply": 4},
    ],
}
FILE = b"id,on,bdi,who\n1,2025-01-10,33,0\n1,2025-02-10,NA,7\n2,2025-01-10,20,\n"


def plan_of(**changes: Any) -> Map:
    """Return the small map with changed parts."""
    return Map.from_text(json.dumps(deepcopy(MAP) | changes).encode())


def refusal_of(act: Callable[[], object]) -> list[str]:
    """Return the sentences with which something is refused."""
    with pytest.raises(ImportRefused) as refusal:
        act()
    return list(refusal.value.problems)


def counts() -> dict[str, int]:
    """Count the rows of every table of the product."""
    models = apps.get_app_config("outcomes").get_models()
    return {model.__name__: model._base_manager.count() for model in models}
