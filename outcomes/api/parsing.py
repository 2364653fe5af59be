"""Read JSON bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class StrictJSONParser(JSONParser):
    """Parse JSON; what is no JSON, or nested beyond reason, is the client's mistake."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the parsed body; raises ParseError that says where, and quotes nothing."""
        try:
            return super().parse(stream, media_type, parser_context)
        except ParseError as error:
            raise ParseError(
                _("The body is not valid JSON: %(fault)s.")
                % {"fault": error.__cause__ or error.__context__}
            ) from error
        except RecursionError:
            raise ParseError(_("The body is nested too deeply.")) from None
