from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0002_connector_kinds"),
    ]

    operations = [
        migrations.AddField(
            model_name="intentmodel",
            name="progress",
            field=models.PositiveSmallIntegerField(db_default=100, default=100, verbose_name="progress"),
        ),
        migrations.AddField(
            model_name="intentmodel",
            name="reason",
            field=models.TextField(blank=True, db_default="", default="", verbose_name="reason"),
        ),
        migrations.AddField(
            model_name="intentmodel",
            name="second",
            field=models.BinaryField(null=True, verbose_name="second opinion"),
        ),
        migrations.AddField(
            model_name="intentmodel",
            name="status",
            field=models.CharField(
                choices=[
                    ("queued", "waiting"),
                    ("training", "training"),
                    ("ready", "ready"),
                    ("failed", "failed"),
                ],
                db_default="ready",
                default="ready",
                max_length=10,
                verbose_name="status",
            ),
        ),
        migrations.AlterField(
            model_name="intentmodel",
            name="examples",
            field=models.PositiveIntegerField(default=0, verbose_name="examples"),
        ),
        migrations.AlterField(
            model_name="intentmodel",
            name="onnx",
            field=models.BinaryField(default=b"", verbose_name="model"),
        ),
    ]
