"""Addresses of this front door."""

app_name = "api"
urlpatterns: list[object] = []
