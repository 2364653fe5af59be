"""What the answering page sends while a patient fills in a questionnaire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from outcomes.api.serializers.fields import Choice, Strict
from outcomes.api.serializers.results import ANSWERS_SCHEMA

ITEMS_AT_MOST = 200


@extend_schema_field(ANSWERS_SCHEMA)
class AnswersField(serializers.Field[Any, Any, Any, Any]):
    """Answers by item number; what each item takes is the instrument's to say."""

    default_error_messages = {
        "invalid": _("Must be an object of item numbers and answers."),
        "max_length": _("Has more items than any questionnaire."),
    }

    def to_internal_value(self, data: Any) -> Mapping[str, Any]:
        """Return the object unchanged."""
        if not isinstance(data, Mapping):
            self.fail("invalid")
        if len(data) > ITEMS_AT_MOST:
            self.fail("max_length")
        return data


class AutosaveSerializer(Strict):
    """Answers of an unfinished form.

    `revision` is the number of the reply in which the sender last saw these answers, 0 before the
    first: where one of them was changed since, it is a conflict. Null overwrites whatever is there.
    """

    answers = AnswersField()
    revision = serializers.IntegerField(allow_null=True, default=None, min_value=0)
    language = Choice(settings.LANGUAGES, required=False)


class SavedSerializer(serializers.Serializer[Any]):
    """What is stored now; `safety` says that an answer asks for the clinic's crisis text."""

    revision = serializers.IntegerField()
    saved = serializers.ListField(child=serializers.CharField())
    safety = serializers.BooleanField()


class SubmitSerializer(Strict):
    """A finished form; sending it again with the same `submission_id` changes nothing."""

    answers = AnswersField()
    submission_id = serializers.UUIDField()
    language = Choice(settings.LANGUAGES)


class SubmittedSerializer(serializers.Serializer[Any]):
    """That the form is stored, and since when; never what it scores."""

    submitted = serializers.BooleanField()
    submitted_at = serializers.DateTimeField()
