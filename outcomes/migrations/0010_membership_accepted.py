"""Who has an account is asked before they work in another clinic."""

from django.db import migrations, models
from django.utils import timezone


def accept(apps, schema_editor):
    """Let everybody who works somewhere go on."""
    apps.get_model("outcomes", "Membership").objects.update(accepted_at=models.F("started_at"))


def withdraw(apps, schema_editor):
    """Without the column an open invitation would be a role: end it."""
    rows = apps.get_model("outcomes", "Membership").objects
    rows.filter(accepted_at=None, ended_at=None).update(ended_at=timezone.now())


class Migration(migrations.Migration):

    dependencies = [("outcomes", "0009_confirm_synthetic_recipients")]

    operations = [
        migrations.AddField(
            model_name="membership",
            name="accepted_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.RunPython(accept, withdraw),
        migrations.AlterField(
            model_name="message",
            name="kind",
            field=models.CharField(
                choices=[
                    ("invitation", "Invitation"),
                    ("reminder", "Reminder"),
                    ("alert", "Safety alert"),
                    ("test", "Test of the alert path"),
                    ("notice", "Notice to staff"),
                    ("membership", "Invitation to work here"),
                ],
                max_length=12,
            ),
        ),
    ]
