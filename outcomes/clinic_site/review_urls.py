"""Addresses of the pictures of one patient beside the patient page, inside one clinic."""

from django.urls import path

from outcomes.clinic_site.views import items, summaries, trajectories

urlpatterns = [
    path("patients/<uuid:patient_id>/items/", items.patient_items, name="patient_items"),
    path(
        "patients/<uuid:patient_id>/scores.csv",
        trajectories.patient_scores,
        name="patient_scores",
    ),
    path(
        "patients/<uuid:patient_id>/compare/",
        trajectories.patient_compare,
        name="patient_compare",
    ),
    path("patients/<uuid:patient_id>/summary/", summaries.patient_summary, name="patient_summary"),
    path(
        "patients/<uuid:patient_id>/summary/pdf/",
        summaries.patient_summary_pdf,
        name="patient_summary_pdf",
    ),
]
