from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outcomes", "0022_measurement_number")]

    operations = [
        migrations.AddField(
            model_name="treatmentchange",
            name="kind",
            field=models.CharField(
                choices=[("change", "Treatment change"), ("note", "Note")],
                default="change",
                max_length=6,
                verbose_name="kind",
            ),
        ),
        migrations.AlterField(
            model_name="treatmentchange",
            name="description",
            field=models.CharField(max_length=120, verbose_name="in words"),
        ),
    ]
