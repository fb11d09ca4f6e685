from __future__ import annotations

from django.db import migrations, models

import tenants.encrypted


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0006_attachments"),
    ]

    operations = [
        migrations.CreateModel(
            name="IdentityKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                ("secret", tenants.encrypted.EncryptedTextField(verbose_name="secret")),
                ("is_enabled", models.BooleanField(default=True, verbose_name="enabled")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="made")),
            ],
            options={
                "verbose_name": "key for logged-in visitors",
                "verbose_name_plural": "keys for logged-in visitors",
                "ordering": ["-created_at"],
            },
        ),
        migrations.AddField(
            model_name="visitor",
            name="external_id",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=200, verbose_name="account"
            ),
        ),
        migrations.AddField(
            model_name="visitor",
            name="identified_until",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="visitor",
            index=models.Index(
                condition=models.Q(("external_id", ""), _negated=True),
                fields=["external_id", "-seen_at"],
                name="visitor_account",
            ),
        ),
    ]
