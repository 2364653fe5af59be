"""The product's settings with the defaults of Django and SQLite for transactions."""

from config.settings import *  # noqa: F403

DATABASES["default"].pop("OPTIONS", None)  # noqa: F405
