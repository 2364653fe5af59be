import django.db.models.deletion
import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('outcomes', '0012_crisis_texts'),
    ]

    operations = [
        migrations.AddField(
            model_name='clinic',
            name='shows_visits',
            field=models.BooleanField(default=False, help_text='On their own page: the next session planned here.', verbose_name='show patients the day of their next visit'),
        ),
        migrations.AddField(
            model_name='clinic',
            name='shows_answers',
            field=models.BooleanField(default=False, help_text='On their own page, after their date of birth: the words they chose.', verbose_name='show patients their past answers'),
        ),
        migrations.AddField(
            model_name='clinic',
            name='shows_trend',
            field=models.BooleanField(default=False, help_text='Each total and the highest possible one, with the day; no judgement of it.', verbose_name='show patients their totals over time'),
        ),
        migrations.AddField(
            model_name='patient',
            name='asked_from',
            field=models.TimeField(blank=True, help_text="On the patient's clock. The clinic's quiet hours hold besides.", null=True, verbose_name='not asked before'),
        ),
        migrations.AddField(
            model_name='patient',
            name='paused_until',
            field=models.DateTimeField(blank=True, null=True, verbose_name='paused until'),
        ),
        migrations.AddIndex(
            model_name='patient',
            index=models.Index(condition=models.Q(('paused_until__isnull', False)), fields=['paused_until'], name='patient_paused'),
        ),
        migrations.CreateModel(
            name='OwnPage',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('nonce', models.CharField(max_length=43)),
                ('token_hash', models.CharField(max_length=64, unique=True)),
                ('created_at', models.DateTimeField()),
                ('renewed_at', models.DateTimeField(blank=True, null=True)),
                ('opened_at', models.DateTimeField(blank=True, null=True)),
                ('failed_checks', models.PositiveSmallIntegerField(default=0)),
                ('locked_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('clinic', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='outcomes.clinic')),
                ('patient', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='own_page', to='outcomes.patient')),
            ],
            options={
                'abstract': False,
            },
        ),
    ]
