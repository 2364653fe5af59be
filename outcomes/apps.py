"""The one Django app; its rooms are folders (docs/adr/0001-one-app-many-rooms.md)."""

from django.apps import AppConfig


class OutcomesConfig(AppConfig):
    """Register the app and its start-up checks."""

    name = "outcomes"
    verbose_name = "Outcomes"
    default_auto_field = "django.db.models.BigAutoField"
