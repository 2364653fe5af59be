"""Addresses of schedules and their drafts, inside one clinic."""

from django.urls import path

from outcomes.clinic_site.views import schedule_drafts as drafts
from outcomes.clinic_site.views import schedules

urlpatterns = [
    path("schedules/", schedules.schedules, name="schedules"),
    path("schedules/new/", drafts.schedule_new, name="schedule_new"),
    path("schedules/<uuid:schedule_id>/", schedules.schedule, name="schedule"),
    path(
        "schedules/<uuid:schedule_id>/preview/", schedules.schedule_preview, name="schedule_preview"
    ),
    path("schedules/<uuid:schedule_id>/edit/", schedules.schedule_edit, name="schedule_edit"),
    path("schedules/<uuid:schedule_id>/retire/", schedules.schedule_retire, name="schedule_retire"),
    path("schedules/<uuid:schedule_id>/move/", schedules.schedule_move, name="schedule_move"),
    path("schedules/drafts/<uuid:draft_id>/", drafts.schedule_draft, name="schedule_draft"),
    path(
        "schedules/drafts/<uuid:draft_id>/details/",
        drafts.schedule_draft_details,
        name="schedule_draft_details",
    ),
    path(
        "schedules/drafts/<uuid:draft_id>/lines/new/",
        drafts.schedule_rule_new,
        name="schedule_rule_new",
    ),
    path(
        "schedules/drafts/<uuid:draft_id>/lines/<int:position>/",
        drafts.schedule_rule,
        name="schedule_rule",
    ),
    path(
        "schedules/drafts/<uuid:draft_id>/lines/<int:position>/remove/",
        drafts.schedule_rule_remove,
        name="schedule_rule_remove",
    ),
    path(
        "schedules/drafts/<uuid:draft_id>/lines/<int:position>/shift/",
        drafts.schedule_rule_shift,
        name="schedule_rule_shift",
    ),
    path(
        "schedules/drafts/<uuid:draft_id>/preview/",
        drafts.schedule_draft_preview,
        name="schedule_draft_preview",
    ),
    path(
        "schedules/drafts/<uuid:draft_id>/publish/",
        drafts.schedule_draft_publish,
        name="schedule_draft_publish",
    ),
    path(
        "schedules/drafts/<uuid:draft_id>/discard/",
        drafts.schedule_draft_discard,
        name="schedule_draft_discard",
    ),
]
