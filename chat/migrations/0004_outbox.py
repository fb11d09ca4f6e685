from __future__ import annotations

import uuid

import django.db.models.functions.datetime
from django.db import migrations, models

import tenants.encrypted


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0003_assignment"),
    ]

    operations = [
        migrations.CreateModel(
            name="Webhook",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                ("url", models.CharField(max_length=500, verbose_name="address")),
                ("secret", tenants.encrypted.EncryptedTextField(verbose_name="secret")),
                ("events", models.JSONField(default=list, verbose_name="events")),
                ("is_enabled", models.BooleanField(default=True, verbose_name="enabled")),
                (
                    "trouble",
                    models.CharField(
                        blank=True, editable=False, max_length=300, verbose_name="why it was switched off"
                    ),
                ),
                (
                    "answered_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="last success"),
                ),
            ],
            options={
                "verbose_name": "webhook",
                "verbose_name_plural": "webhooks",
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Effect",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("webhook", "Webhook"), ("email", "E-mail")],
                        max_length=10,
                        verbose_name="kind",
                    ),
                ),
                ("target", models.CharField(max_length=320, verbose_name="to")),
                ("payload", models.JSONField(verbose_name="content")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="recorded"
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="next try"
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(db_default=0, verbose_name="tries")),
                ("lease_until", models.DateTimeField(null=True)),
                ("done_at", models.DateTimeField(null=True, verbose_name="done")),
                ("failed_at", models.DateTimeField(null=True, verbose_name="given up")),
                ("last_error", models.CharField(db_default="", max_length=300, verbose_name="last error")),
            ],
            options={
                "verbose_name": "delivery",
                "verbose_name_plural": "deliveries",
                "indexes": [
                    models.Index(
                        condition=models.Q(("done_at", None), ("failed_at", None)),
                        fields=["kind", "target", "due_at"],
                        name="effect_pending",
                    ),
                    models.Index(fields=["-created_at"], name="effect_newest"),
                ],
            },
        ),
    ]
