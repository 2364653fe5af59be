"""The one Django app; its rooms are folders (docs/adr/0001-one-app-many-rooms.md)."""

from functools import lru_cache

from django.apps import AppConfig
from django.utils import formats, translation

from outcomes.review import tongue


@lru_cache(maxsize=4096)
def _said(_language: str | None, message: str) -> str:
    return translation.gettext(message)


def _say(message: str) -> str:
    """Return a text in the language in use; a chart says the same few hundreds of times."""
    return _said(translation.get_language(), message)


class OutcomesConfig(AppConfig):
    """Register the app and its start-up checks."""

    name = "outcomes"
    verbose_name = "Outcomes"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Lend the modules that know no framework the words of the language in use."""
        tongue.lend(
            tongue.Tongue(
                gettext=_say,
                ngettext=translation.ngettext,
                decimal_point=lambda: str(formats.get_format("DECIMAL_SEPARATOR")),
            )
        )
