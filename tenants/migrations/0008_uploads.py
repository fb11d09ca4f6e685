from __future__ import annotations

import django.core.validators
from django.db import migrations, models

import tenants.models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0007_erasing"),
    ]

    operations = [
        migrations.AddField(
            model_name="policy",
            name="address_uploads_per_minute",
            field=models.PositiveIntegerField(
                default=300, verbose_name="files that may come from an IP address in a minute"
            ),
        ),
        migrations.AddField(
            model_name="policy",
            name="files_per_message",
            field=models.PositiveSmallIntegerField(
                default=10,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(10),
                ],
                verbose_name="files a message may have",
            ),
        ),
        migrations.AddField(
            model_name="policy",
            name="upload_kinds",
            field=models.JSONField(
                blank=True, default=tenants.models.harmless_files, verbose_name="kinds of files"
            ),
        ),
        migrations.AddField(
            model_name="policy",
            name="upload_mb",
            field=models.PositiveIntegerField(default=10, verbose_name="largest file in MB"),
        ),
        migrations.AddField(
            model_name="policy",
            name="upload_mb_per_day",
            field=models.PositiveIntegerField(default=100, verbose_name="MB a visitor may upload in a day"),
        ),
        migrations.AddField(
            model_name="policy",
            name="uploads",
            field=models.BooleanField(default=True, verbose_name="files may be sent"),
        ),
        migrations.AddField(
            model_name="policy",
            name="uploads_per_minute",
            field=models.PositiveIntegerField(
                default=20, verbose_name="files a visitor may upload in a minute"
            ),
        ),
    ]
