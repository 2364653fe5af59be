"""The WSGI application; it does not load while a URL lacks its access policy."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

from config.security import require_declared_policies  # noqa: E402 - needs the app registry

require_declared_policies()
