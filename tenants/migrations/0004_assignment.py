from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0003_limits")]

    operations = [
        migrations.AddField(
            "policy",
            "assignment",
            models.CharField(
                choices=[
                    ("off", "Nobody by itself: agents take visitors from the queue"),
                    ("least_busy", "The agent with the most room"),
                    ("round_robin", "Each agent in turn"),
                ],
                default="off",
                max_length=20,
                verbose_name="who gets the next visitor",
            ),
        ),
        migrations.AddField(
            "policy",
            "agent_silence",
            models.PositiveIntegerField(
                default=0, verbose_name="seconds until a visitor whom nobody answers goes to another agent"
            ),
        ),
        migrations.AddField(
            "policy",
            "holidays",
            models.BooleanField(default=False, verbose_name="closed on public holidays of China"),
        ),
        migrations.AddField(
            "policy",
            "closed_days",
            models.JSONField(blank=True, default=list, verbose_name="other closed days"),
        ),
        migrations.AddField(
            "policy",
            "open_days",
            models.JSONField(blank=True, default=dict, verbose_name="other open days"),
        ),
    ]
