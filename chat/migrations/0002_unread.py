from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0001_initial")]

    operations = [
        migrations.AddField("conversation", "unread", models.PositiveIntegerField(default=0, editable=False)),
        # A message changes its conversation's row and no index of it: PostgreSQL can then write it beside the old one (HOT).
        migrations.RunSQL(
            "ALTER TABLE chat_conversation SET (fillfactor = 70)",
            "ALTER TABLE chat_conversation RESET (fillfactor)",
        ),
    ]
