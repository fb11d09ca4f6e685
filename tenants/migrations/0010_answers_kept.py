from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0009_plans")]

    operations = [
        migrations.AddField(
            "policy",
            "answers_kept",
            models.PositiveSmallIntegerField(
                default=24,
                verbose_name="hours that a model's answer is given again to who asks just the same",
            ),
        )
    ]
