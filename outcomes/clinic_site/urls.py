"""Addresses of this front door."""

app_name = "clinic_site"
urlpatterns: list[object] = []
