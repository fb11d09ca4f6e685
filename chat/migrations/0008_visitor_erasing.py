from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0007_identity"),
    ]

    operations = [
        migrations.AddField(
            model_name="visitor",
            name="erasing_since",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="visitor",
            index=models.Index(
                condition=models.Q(("erasing_since__isnull", False)),
                fields=["erasing_since"],
                name="visitor_erasing",
            ),
        ),
    ]
