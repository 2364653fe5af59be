"""Addresses of this front door. Everything but the first two lies inside one clinic."""

from django.urls import URLPattern, URLResolver, include, path

from outcomes.clinic_site.views import (
    alerts,
    audit,
    clinic,
    courses,
    members,
    messages,
    patients,
    responses,
    sessions,
)

app_name = "clinic_site"

in_clinic: list[URLPattern | URLResolver] = [
    path("", patients.caseload, name="caseload"),
    path("patients/", patients.patients, name="patients"),
    path("patients/new/", patients.enrol, name="enrol"),
    path("patients/<uuid:patient_id>/", patients.patient, name="patient"),
    path("patients/<uuid:patient_id>/edit/", patients.edit_patient, name="edit_patient"),
    path("patients/<uuid:patient_id>/contact/", patients.contact, name="contact"),
    path("patients/<uuid:patient_id>/link/", courses.hand_over, name="hand_over"),
    path(
        "patients/<uuid:patient_id>/responses/",
        patients.patient_responses,
        name="patient_responses",
    ),
    path(
        "patients/<uuid:patient_id>/sessions/", patients.patient_sessions, name="patient_sessions"
    ),
    path(
        "episodes/<uuid:episode_id>/clinicians/",
        patients.episode_clinicians,
        name="episode_clinicians",
    ),
    path("episodes/<uuid:episode_id>/courses/new/", courses.course_new, name="course_new"),
    path(
        "episodes/<uuid:episode_id>/changes/new/",
        courses.treatment_change_new,
        name="treatment_change_new",
    ),
    path("episodes/<uuid:episode_id>/close/", courses.episode_close, name="episode_close"),
    path("courses/<uuid:course_id>/sessions/new/", sessions.session_new, name="session_new"),
    path("sessions/<uuid:session_id>/", sessions.session, name="session"),
    path("sessions/<uuid:session_id>/edit/", sessions.session_edit, name="session_edit"),
    path("sessions/<uuid:session_id>/move/", sessions.session_move, name="session_move"),
    path("sessions/<uuid:session_id>/cancel/", sessions.session_cancel, name="session_cancel"),
    path("responses/<uuid:response_id>/", responses.response, name="response"),
    path(
        "responses/<uuid:response_id>/correct/",
        responses.response_correct,
        name="response_correct",
    ),
    path("alerts/", alerts.alerts, name="alerts"),
    path("alerts/<uuid:alert_id>/", alerts.alert, name="alert"),
    path("messages/", messages.messages, name="messages"),
    path("messages/<uuid:message_id>/", messages.message, name="message"),
    path("settings/", clinic.settings, name="settings"),
    path("members/", members.members, name="members"),
    path("members/<uuid:member_id>/", members.member, name="member"),
    path("members/<uuid:member_id>/end/", members.member_end, name="member_end"),
    path("tokens/", members.tokens, name="tokens"),
    path("tokens/<uuid:token_id>/revoke/", members.token_revoke, name="token_revoke"),
    path("audit/", audit.audit, name="audit"),
    path("", include("outcomes.clinic_site.file_urls")),
    path("", include("outcomes.clinic_site.instrument_urls")),
]

urlpatterns = [
    path("", clinic.home, name="home"),
    path("me/", clinic.my_account, name="my_account"),
    path("c/<slug:clinic_slug>/", include(in_clinic)),
]
