from __future__ import annotations

import os
import signal
from typing import Any

from django.db import migrations, models


def misbehave(apps: Any, schema_editor: Any) -> None:
    """As the environment says: EXTRA_FAILS and EXTRA_DIES name schemas."""
    schema = schema_editor.connection.schema_name
    if schema in os.environ.get("EXTRA_FAILS", "").split(","):
        raise RuntimeError(f"{schema} has what cannot be migrated")
    if schema in os.environ.get("EXTRA_DIES", "").split(","):
        os.kill(os.getpid(), signal.SIGKILL)


class Migration(migrations.Migration):
    dependencies = [("sessions", "0001_initial")]

    operations = [
        migrations.CreateModel(
            "ExtraNote", [("id", models.BigAutoField(primary_key=True)), ("text", models.TextField())]
        ),
        migrations.AddField("session", "extra", models.TextField(default="")),
        migrations.RunPython(misbehave, migrations.RunPython.noop),
    ]
