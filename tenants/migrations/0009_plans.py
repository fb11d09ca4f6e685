from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


def add_first_plan(apps, schema_editor):
    """Everybody's who is there already, without limits."""
    apps.get_model("tenants", "Plan").objects.create(pk=1, name="Unlimited")
    schema_editor.execute(
        "SELECT setval(pg_get_serial_sequence('tenants_plan', 'id'), max(id)) FROM tenants_plan"
    )


class Migration(migrations.Migration):
    dependencies = [("tenants", "0008_uploads")]

    operations = [
        migrations.CreateModel(
            "Plan",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True, verbose_name="name")),
                ("agents", models.PositiveIntegerField(default=0, verbose_name="agents")),
                (
                    "conversations",
                    models.PositiveIntegerField(default=0, verbose_name="conversations in a month"),
                ),
                ("storage_mb", models.PositiveIntegerField(default=0, verbose_name="storage in MB")),
                (
                    "tokens",
                    models.PositiveBigIntegerField(
                        default=0, verbose_name="tokens of language models in a month"
                    ),
                ),
            ],
            options={"verbose_name": "plan", "verbose_name_plural": "plans", "ordering": ["name"]},
        ),
        migrations.RunPython(add_first_plan, migrations.RunPython.noop),
        migrations.AddField(
            "tenant",
            "plan",
            models.ForeignKey(
                default=1,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="tenants",
                to="tenants.plan",
                verbose_name="plan",
            ),
        ),
        migrations.CreateModel(
            "Usage",
            [
                (
                    "tenant",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="usage",
                        serialize=False,
                        to="tenants.tenant",
                    ),
                ),
                ("agents", models.PositiveIntegerField(verbose_name="agents")),
                ("conversations", models.PositiveIntegerField(verbose_name="conversations this month")),
                ("storage_bytes", models.PositiveBigIntegerField(verbose_name="bytes of files")),
                ("measured_at", models.DateTimeField(auto_now=True, verbose_name="measured")),
            ],
        ),
        migrations.CreateModel(
            "TokenDay",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField(verbose_name="day")),
                ("tokens", models.PositiveBigIntegerField(verbose_name="tokens")),
                ("estimated", models.PositiveBigIntegerField(verbose_name="of them estimated")),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="token_days",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("tenant", "day"), name="tenant_day")]},
        ),
    ]
