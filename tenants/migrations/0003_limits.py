from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0002_tenants")]

    operations = [
        migrations.AlterField(
            "policy",
            "sessions_per_hour",
            models.PositiveIntegerField(
                default=600, verbose_name="sessions an IP address may start in an hour"
            ),
        ),
        *(
            migrations.AddField(
                "policy", name, models.PositiveIntegerField(default=default, verbose_name=title)
            )
            for name, default, title in (
                (
                    "address_messages_per_minute",
                    1200,
                    "messages that may come from an IP address in a minute",
                ),
                (
                    "tenant_messages_per_minute",
                    30_000,
                    "messages that all visitors together may send in a minute",
                ),
                ("sockets_per_visitor", 20, "connections that a visitor or an agent may have open"),
                ("sockets_per_address", 1000, "connections that an IP address may have open"),
                ("sockets_per_tenant", 20_000, "connections that may be open altogether"),
                ("frames_per_ten_seconds", 300, "frames that a connection may send in ten seconds"),
            )
        ),
    ]
