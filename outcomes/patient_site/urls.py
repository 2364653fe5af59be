"""Addresses of the patient's side. None holds a name, a date or an answer."""

from django.urls import path, re_path

from outcomes.patient_site import views

app_name = "patient_site"
urlpatterns = [
    path("a/<str:token>/", views.open_link, name="open"),
    path("a/<str:token>/not-for-me/", views.not_for_me, name="not_for_me"),
    re_path(r"^a/(?P<rest>.+)/$", views.mangled_link),
    path("answer/", views.begin, name="answer"),
    path("answer/<int:number>/", views.answer, name="answer"),
    path("answer/review/", views.review, name="review"),
    path("answer/thanks/", views.thanks, name="thanks"),
    re_path(r"^answer/(?P<rest>.+)/$", views.no_such_page),
]
