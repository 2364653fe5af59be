"""The product's settings without its middleware, for the bare view that stands beside it."""

from config.settings import *  # noqa: F403

INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "outcomes"]
MIDDLEWARE = []
ROOT_URLCONF = "bench.bare"
