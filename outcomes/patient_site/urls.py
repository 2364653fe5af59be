"""Addresses of this front door."""

app_name = "patient_site"
urlpatterns: list[object] = []
