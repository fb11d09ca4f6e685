from __future__ import annotations

from django.db import migrations
from pgvector.django import VectorExtension


class Migration(migrations.Migration):
    """Public first: an extension made inside one tenant's schema would be invisible to the others."""

    initial = True
    dependencies = []
    operations = [VectorExtension()]
