from __future__ import annotations

from django.db import migrations, models

import tenants.encrypted


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="connector",
            name="body",
            field=models.JSONField(
                blank=True,
                db_default=models.Value({}, models.JSONField()),
                default=dict,
                verbose_name="body or arguments",
            ),
        ),
        migrations.AddField(
            model_name="connector",
            name="columns",
            field=models.JSONField(
                blank=True,
                db_default=models.Value({}, models.JSONField()),
                default=dict,
                verbose_name="columns",
            ),
        ),
        migrations.AddField(
            model_name="connector",
            name="headers",
            field=models.JSONField(
                blank=True,
                db_default=models.Value({}, models.JSONField()),
                default=dict,
                verbose_name="headers",
            ),
        ),
        migrations.AddField(
            model_name="connector",
            name="method",
            field=models.CharField(
                choices=[("GET", "GET"), ("POST", "POST")],
                db_default="GET",
                default="GET",
                max_length=10,
                verbose_name="method",
            ),
        ),
        migrations.AddField(
            model_name="connector",
            name="needs_identity",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Answered only to visitors whom your site has vouched for, and only about what is theirs.",
                verbose_name="personal",
            ),
        ),
        migrations.AddField(
            model_name="connector",
            name="owner_column",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Holds the owner's id; a row of somebody else counts as not found.",
                max_length=100,
                verbose_name="column of the owner",
            ),
        ),
        migrations.AddField(
            model_name="connector",
            name="secret",
            field=tenants.encrypted.EncryptedTextField(
                blank=True, db_default="", default="", verbose_name="secret"
            ),
        ),
        migrations.AddField(
            model_name="connector",
            name="secret_header",
            field=models.CharField(
                db_default="Authorization",
                default="Authorization",
                max_length=100,
                verbose_name="header of the secret",
            ),
        ),
        migrations.AddField(
            model_name="connector",
            name="tool",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=200, verbose_name="tool"
            ),
        ),
        migrations.AddField(
            model_name="connector",
            name="url",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=500, verbose_name="address"
            ),
        ),
        migrations.AlterField(
            model_name="connector",
            name="kind",
            field=models.CharField(
                choices=[("sql", "SQL query"), ("http", "HTTP request"), ("mcp", "Tool of an MCP server")],
                default="sql",
                max_length=10,
                verbose_name="kind",
            ),
        ),
        migrations.AlterField(
            model_name="connector",
            name="query",
            field=models.TextField(
                blank=True, help_text="One SELECT; slots as %(name)s", verbose_name="query"
            ),
        ),
    ]
