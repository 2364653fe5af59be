"""The shipped instruments by code, read once for all tests."""

from __future__ import annotations

from outcomes.instruments.definition import load_library

LIBRARY = load_library()
