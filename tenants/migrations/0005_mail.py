from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0004_assignment")]

    operations = [
        migrations.AddField(
            "policy",
            "notify_email",
            models.EmailField(
                blank=True,
                max_length=254,
                verbose_name="e-mail address that is told of questions left while nobody was there",
            ),
        ),
    ]
