"""Pages that stay right while rows are added: each begins after the last row of the one before."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request


class NewestFirst(CursorPagination):
    """Give the rows stored last first: keys are UUIDv7, which begin with the time."""

    ordering = "-pk"
    page_size = 100
    max_page_size = 500
    page_size_query_param = "page_size"

    def get_page_size(self, request: Request) -> int:
        """Return how many rows were asked for; raises ValidationError beyond 1 to 500."""
        text = request.query_params.get("page_size")
        if text is None:
            return self.page_size
        if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= self.max_page_size:
            return int(text)
        raise ValidationError({"page_size": [_("Must be a whole number from 1 to 500.")]})

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Describe the page's parameters, with their bounds."""
        parameters: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        for parameter in parameters:
            if parameter["name"] == self.page_size_query_param:
                parameter["schema"] |= {"minimum": 1, "maximum": self.max_page_size}
        return parameters

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Return where the page begins; raises ValidationError for a cursor we did not give."""
        try:
            cursor: Cursor | None = super().decode_cursor(request)
            if cursor is not None and cursor.position is not None:
                UUID(str(cursor.position))
        except (NotFound, ValueError) as error:
            message = _("Use the address that the page before gave.")
            raise ValidationError({"cursor": [message]}) from error
        return cursor
