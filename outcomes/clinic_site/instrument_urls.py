"""Addresses of questionnaires, inside one clinic."""

from django.urls import path

from outcomes.clinic_site.views import instruments

urlpatterns = [
    path("instruments/", instruments.instruments, name="instruments"),
    path("instruments/new/", instruments.instrument_new, name="instrument_new"),
    path("instruments/<str:code>/", instruments.instrument, name="instrument"),
    path("instruments/<str:code>/fhir/", instruments.instrument_fhir, name="instrument_fhir"),
    path("instruments/<str:code>/json/", instruments.instrument_json, name="instrument_json"),
    path(
        "instruments/<str:code>/preview/",
        instruments.instrument_preview,
        name="instrument_preview",
    ),
    path(
        "instruments/<str:code>/wording/",
        instruments.instrument_wording,
        name="instrument_wording",
    ),
    path("instruments/<str:code>/retire/", instruments.instrument_retire, name="instrument_retire"),
]
