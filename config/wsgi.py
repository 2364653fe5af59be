"""The WSGI application; it does not load while a URL lacks its access policy."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

from config.security import require_declared_policies  # noqa: E402 - needs the app registry

require_declared_policies()

# What is loaded now stays for good: looking through it again and again for garbage made the
# slowest requests slower (the bench's chart page, p99: 191 ms before, 123 ms after).
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 20)
