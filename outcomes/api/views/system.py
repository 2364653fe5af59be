"""The API's own description, and the answer at addresses it does not have."""

from __future__ import annotations

from typing import Any, NoReturn

from django.utils.translation import gettext_lazy as _
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from outcomes.api.schema import document
from outcomes.api.throttling import AddressThrottle
from outcomes.clinics.access import Audience, Policy


class SchemaView(APIView):
    """The OpenAPI document of this API."""

    access_policy = Policy(Audience.PUBLIC)
    authentication_classes = []
    throttle_classes = [AddressThrottle]
    renderer_classes = [OpenApiJsonRenderer, JSONRenderer]
    http_method_names = ["get", "head"]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """Give the document as JSON."""
        return Response(document())


class UnknownAddress(APIView):
    """Everything under /api/ that is no address of the API."""

    access_policy = Policy(Audience.PUBLIC)
    authentication_classes = []
    throttle_classes = []
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> NoReturn:
        """Answer any method alike."""
        raise NotFound(_("There is nothing at this address; addresses end in a slash."))
