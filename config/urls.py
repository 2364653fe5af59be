"""Where each front door begins."""

from django.urls import include, path

from config.views import health, ready, show_metrics

urlpatterns = [
    # First, for a tap is saved there, and what stands before it is tried before it.
    path("api/", include("outcomes.api.urls")),
    path("", include("outcomes.patient_site.urls")),
    path("", include("outcomes.clinic_site.urls")),
    path("account/", include("config.account_urls")),
    path("healthz", health, name="health"),
    path("readyz", ready, name="ready"),
    path("metrics", show_metrics, name="metrics"),
]
