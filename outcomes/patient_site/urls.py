"""Addresses of the patient's side. None holds a name, a date or an answer."""

from django.urls import path, re_path

from outcomes.patient_site import arriving, calling, opening, own, stopping, tablet, views

app_name = "patient_site"
urlpatterns = [
    path("a/<str:token>/", opening.open_link, name="open"),
    path("a/<str:token>/not-for-me/", opening.not_for_me, name="not_for_me"),
    re_path(r"^a/(?P<rest>.+)/$", opening.mangled_link),
    path("answer/", views.begin, name="answer"),
    path("answer/<int:number>/", views.answer, name="answer"),
    path("answer/all/", views.every, name="every"),
    path("answer/all/after/", views.after_every, name="after_every"),
    path("answer/<int:number>/after/", views.after, name="after"),
    path("answer/review/", views.review, name="review"),
    path("answer/not-for-me/", opening.not_mine, name="not_mine"),
    path("answer/words/", arriving.words, name="words"),
    path("answer/call/", calling.call_me, name="call_me"),
    path("answer/thanks/", views.thanks, name="thanks"),
    path("answer/thanks/forget/", views.forget, name="forget"),
    path("own/", own.own_page, name="own"),
    path("own/wishes/", own.wishes, name="own_wishes"),
    path("own/pause/", own.pause, name="own_pause"),
    path("own/resume/", own.resume, name="own_resume"),
    path("own/stop/", own.stop, name="own_stop"),
    path("own/past/", own.past, name="own_past"),
    path("own/data/", own.data, name="own_data"),
    path("own/close/", own.close, name="own_close"),
    path("own/<str:token>/", own.door, name="own_door"),
    re_path(r"^own/(?P<rest>.+)/$", opening.mangled_link),
    path("stop/<uuid:message_id>/<str:token>/", stopping.stop, name="stop"),
    path("tablet/", tablet.tablet, name="tablet"),
    path("tablet/start/", tablet.tablet_start, name="tablet_start"),
    path("tablet/pause/", tablet.tablet_pause, name="tablet_pause"),
    path("tablet/lock/", tablet.tablet_lock, name="tablet_lock"),
    path("tablet/<str:token>/", tablet.tablet_link, name="tablet_link"),
    re_path(r"^answer/(?P<rest>.+)/$", views.no_such_page),
]
