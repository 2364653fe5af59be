"""Addresses of what was asked, what became of it, and what staff do about it."""

from django.urls import path

from outcomes.clinic_site.views import deliveries, messages

urlpatterns = [
    path("deliveries/", deliveries.deliveries, name="deliveries"),
    path(
        "patients/<uuid:patient_id>/deliveries/",
        deliveries.patient_deliveries,
        name="patient_deliveries",
    ),
    path("patients/<uuid:patient_id>/ask/", deliveries.ask_again, name="ask_again"),
    path("invitations/<uuid:invitation_id>/resend/", deliveries.resend, name="delivery_resend"),
    path("invitations/<uuid:invitation_id>/revoke/", deliveries.revoke, name="delivery_revoke"),
    path("invitations/<uuid:invitation_id>/call/", deliveries.call, name="delivery_call"),
    path("unreached/", deliveries.unreached, name="unreached"),
    path("unreached/<uuid:unreached_id>/", deliveries.unreached_settle, name="unreached_settle"),
    path("messages/<uuid:message_id>/retry/", messages.message_retry, name="message_retry"),
    path("messages/<uuid:message_id>/give-up/", messages.message_give_up, name="message_give_up"),
]
