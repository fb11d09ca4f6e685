from __future__ import annotations

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
NUMBER = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
HOST = rf"^(?!www\.)(?:(?:{LABEL}\.)*(?=[a-z0-9-]*[a-z]){LABEL}|(?:{NUMBER}\.){{3}}{NUMBER}|\[[0-9a-f:]{{2,39}}\])\Z"
SCHEMA_NAME = r"^(?!pg_|information_schema)[a-z][a-z0-9_]{0,39}\Z"


class Migration(migrations.Migration):
    """How far each schema is migrated; hosts by strict pattern in the database too."""

    dependencies = [("tenants", "0005_mail")]

    operations = [
        migrations.CreateModel(
            name="SchemaState",
            fields=[
                (
                    "tenant",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="schema_state",
                        serialize=False,
                        to="tenants.tenant",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("ready", "Ready"), ("migrating", "Migrating"), ("failed", "Failed")],
                        default="ready",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                (
                    "applied",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=300), size=None, verbose_name="migrations"
                    ),
                ),
                ("error", models.TextField(blank=True, verbose_name="error")),
                ("changed_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
            ],
            options={"verbose_name": "state of a schema", "verbose_name_plural": "states of schemas"},
        ),
        migrations.RunSQL(
            r"UPDATE tenants_domain SET domain = regexp_replace(lower(domain), '^www\.', '') WHERE domain ~ '^www\.|[A-Z]'",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            "domain",
            "domain",
            models.CharField(
                max_length=253,
                unique=True,
                validators=[
                    django.core.validators.RegexValidator(
                        HOST, "A host such as help.shop.example, without https:// and without a port."
                    )
                ],
                verbose_name="host",
            ),
        ),
        migrations.AlterField(
            "tenant",
            "schema_name",
            models.CharField(
                max_length=40,
                unique=True,
                validators=[
                    django.core.validators.RegexValidator(
                        SCHEMA_NAME,
                        "A schema is at most 40 small letters, digits and underscores, begins with a letter, and not with pg_.",
                    )
                ],
                verbose_name="schema",
            ),
        ),
        migrations.AddConstraint(
            "domain",
            models.CheckConstraint(condition=models.Q(("domain__regex", HOST)), name="host"),
        ),
    ]
