"""Run one of the product's own processes with the keyed test provider in the place of e-mail.

    python -m tests.campaign.worker dispatch --lane alert
    python -m tests.campaign.worker celery worker ...

Everything but the provider is the product as it is deployed: the provider is put into the registry,
as a hosted one would be, before the process begins its work.
"""

from __future__ import annotations

import os
import sys


def main(arguments: list[str]) -> None:
    """Register the provider, then become the process."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from tests.campaign.sink import KeyedProvider, register

    face, port = os.environ["CAMPAIGN_FACE"], int(os.environ["CAMPAIGN_PROVIDER_PORT"])
    if face != "plain":
        register(KeyedProvider(port, is_searchable=face == "searchable"))
    if bug := os.environ.get("CAMPAIGN_BUG"):
        from tests.campaign.planted import plant

        plant(bug)
    if arguments[0] == "celery":
        from config.celery import app

        app.worker_main(arguments[1:])
    else:
        from django.core.management import call_command

        call_command(*arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
