"""Addresses of this front door. Everything under c/ lies inside one clinic."""

from django.urls import URLPattern, URLResolver, include, path

from outcomes.clinic_site.views import (
    alerts,
    audit,
    caseload,
    clinic,
    courses,
    cover,
    members,
    messages,
    own_pages,
    patients,
    responses,
    sessions,
)

app_name = "clinic_site"

in_clinic: list[URLPattern | URLResolver] = [
    path("", caseload.caseload, name="caseload"),
    path("caseload/<uuid:episode_id>/seen/", caseload.line_seen, name="line_seen"),
    path("caseload/views/new/", caseload.view_save, name="view_save"),
    path("caseload/views/<uuid:view_id>/delete/", caseload.view_delete, name="view_delete"),
    path("patients/", patients.patients, name="patients"),
    path("patients/new/", patients.enrol, name="enrol"),
    path("patients/<uuid:patient_id>/", patients.patient, name="patient"),
    path("patients/<uuid:patient_id>/edit/", patients.edit_patient, name="edit_patient"),
    path("patients/<uuid:patient_id>/contact/", patients.contact, name="contact"),
    path(
        "patients/<uuid:patient_id>/phones/forget/", patients.forget_devices, name="forget_devices"
    ),
    path("patients/<uuid:patient_id>/link/", courses.hand_over, name="hand_over"),
    path("patients/<uuid:patient_id>/own-page/", own_pages.own_page, name="own_page"),
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
    path("responses/<uuid:response_id>/seen/", responses.response_seen, name="response_seen"),
    path("responses/<uuid:response_id>/loss/", responses.response_loss, name="response_loss"),
    path("patients/<uuid:patient_id>/seen/", responses.all_seen, name="all_seen"),
    path("assignments/<uuid:assignment_id>/paper/", responses.paper, name="paper"),
    path("alerts/", alerts.alerts, name="alerts"),
    path("alerts/<uuid:alert_id>/", alerts.alert, name="alert"),
    path("calls/<uuid:call_id>/", alerts.call_settle, name="call_settle"),
    path("alerts/test/<uuid:message_id>/", cover.alert_test, name="alert_test"),
    path("cover/", cover.cover, name="cover"),
    path("cover/<uuid:cover_id>/remove/", cover.cover_remove, name="cover_remove"),
    path("recipients/", cover.recipients, name="recipients"),
    path("recipients/<uuid:member_id>/test/", cover.recipient_test, name="recipient_test"),
    path("messages/", messages.messages, name="messages"),
    path("messages/<uuid:message_id>/", messages.message, name="message"),
    path("", include("outcomes.clinic_site.delivery_urls")),
    path("settings/", clinic.settings, name="settings"),
    path("members/", members.members, name="members"),
    path("members/<uuid:member_id>/", members.member, name="member"),
    path("members/<uuid:member_id>/phone/", members.member_phone, name="member_phone"),
    path("members/<uuid:member_id>/end/", members.member_end, name="member_end"),
    path("tokens/", members.tokens, name="tokens"),
    path("tokens/<uuid:token_id>/revoke/", members.token_revoke, name="token_revoke"),
    path("audit/", audit.audit, name="audit"),
    path("", include("outcomes.clinic_site.file_urls")),
    path("", include("outcomes.clinic_site.instrument_urls")),
    path("", include("outcomes.clinic_site.review_urls")),
    path("", include("outcomes.clinic_site.schedule_urls")),
]

urlpatterns = [
    path("", clinic.home, name="home"),
    path("me/", clinic.my_account, name="my_account"),
    path("me/phone/", clinic.my_phone, name="my_phone"),
    path("me/invited/<uuid:member_id>/accept/", clinic.membership_accept, name="membership_accept"),
    path(
        "me/invited/<uuid:member_id>/decline/", clinic.membership_decline, name="membership_decline"
    ),
    path("c/<slug:clinic_slug>/", include(in_clinic)),
]
