from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0002_unread"), ("inference", "0001_initial")]

    operations = [
        migrations.AddField(
            "agent",
            "limit",
            models.PositiveSmallIntegerField(
                default=5,
                help_text="Assigned by itself up to this number; 0: none. By hand an agent may take more.",
                verbose_name="conversations at once",
            ),
        ),
        migrations.AddField(
            "agent", "languages", models.JSONField(blank=True, default=list, verbose_name="languages")
        ),
        migrations.AddField(
            "agent", "assigned_at", models.DateTimeField(blank=True, editable=False, null=True)
        ),
        migrations.CreateModel(
            name="Team",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=50, unique=True, verbose_name="name")),
                (
                    "members",
                    models.ManyToManyField(
                        blank=True, related_name="teams", to="chat.agent", verbose_name="agents"
                    ),
                ),
                (
                    "intents",
                    models.ManyToManyField(
                        blank=True, related_name="+", to="inference.intent", verbose_name="matters"
                    ),
                ),
            ],
            options={"verbose_name": "team", "verbose_name_plural": "teams", "ordering": ["name"]},
        ),
        migrations.AddField(
            "conversation", "agent_since", models.DateTimeField(blank=True, editable=False, null=True)
        ),
        migrations.AddField(
            "conversation", "let_go_by", models.JSONField(blank=True, editable=False, null=True)
        ),
        migrations.AddField(
            "conversation",
            "team",
            models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                to="chat.team",
                verbose_name="team",
            ),
        ),
        migrations.AddField(
            "conversation", "place", models.PositiveIntegerField(db_default=0, editable=False)
        ),
        migrations.AddIndex(
            "conversation",
            models.Index(
                condition=models.Q(("agent__isnull", False), ("state", "closed")),
                fields=["-closed_at"],
                name="conversation_handled",
            ),
        ),
    ]
