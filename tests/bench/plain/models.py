from __future__ import annotations

import uuid

from django.contrib.auth.models import User
from django.db import models


class Conversation(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    token = models.UUIDField(unique=True, default=uuid.uuid4)  # the visitor's
    visitor_name = models.CharField(max_length=100)
    agent = models.ForeignKey(User, models.CASCADE, null=True)
    last_seq = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)


class Message(models.Model):
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages")
    seq = models.PositiveIntegerField()
    client_id = models.CharField(max_length=64)
    sender = models.CharField(max_length=10)
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["seq"]
        constraints = [
            models.UniqueConstraint(fields=["conversation", "seq"], name="plain_seq"),
            models.UniqueConstraint(fields=["conversation", "sender", "client_id"], name="plain_client_id"),
        ]
