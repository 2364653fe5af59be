from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outcomes", "0011_answer_revisions")]

    operations = [
        migrations.AddField(
            model_name="clinic",
            name="crisis_texts",
            field=models.JSONField(blank=True, default=dict),
        ),
    ]
