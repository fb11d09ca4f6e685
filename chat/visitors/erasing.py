"""Removes one visitor for good. Killed at any point, the same call goes on from there, and so does `finish_begun` by itself.

The visitor is marked first: from then on no token of theirs is good, and what they and the bot said is gone with the same commit. The
rows that name them go last, and only if nothing else is found.
"""

from __future__ import annotations

import logging
import shutil
import time
from datetime import timedelta
from uuid import UUID

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from redis import RedisError

from chat.assignment import assign_soon
from chat.delivery import agents_topic, announce, announce_in, conversation_topic, list_topics
from chat.events import ERASED, gone_frame, state_frame
from chat.models import Conversation, Visitor
from chat.record import announce_inside, end_turn, schema
from chat.visitors import person as persons
from chat.visitors.person import Person
from kefu.errors import Overloaded, WrongState
from tenants import locks
from tenants.context import inside
from tenants.erasure import tables, traces
from tenants.erasure.scan import Scan
from tenants.models import Tenant
from tenants.progress import Progress, unwatched

logger = logging.getLogger(__name__)

# Seconds in which whoever was at it remembers a dialogue, or counts a message, that was there before
QUIET = 2.0
ROUNDS = 2  # what was under way during the first is over in the second
FORGOTTEN = timedelta(minutes=5)  # longer than any run takes that was not killed


def erase(tenant: Tenant, visitor_id: UUID, progress: Progress = unwatched, quiet: float = QUIET) -> Scan:
    """Everything of the visitor's; then what a search for it found: if anything, the same call goes on from here.

    Raises NotFound, WrongState while another process is at it, and Overloaded without Redis.
    """
    name = f"visitor {tenant.schema_name} {visitor_id}"
    with inside(tenant), locks.held(name, busy=_("This visitor is being erased already.")):
        person = _empty(visitor_id)
        try:
            for _round in range(ROUNDS):
                progress("wait", 0, 0)
                time.sleep(quiet)
                result = _remove(person, progress)
                if not result.found:
                    break
            return result
        except RedisError:
            raise Overloaded(_("Redis does not answer. Try again: what is gone stays gone.")) from None


def finish_begun(tenant: Tenant) -> None:
    """What a run that was killed left over. For the tenant's round of tidying up, inside its schema."""
    begun = Visitor.objects.filter(erasing_since__lt=timezone.now() - FORGOTTEN)
    for pk in begun.values_list("pk", flat=True):
        try:
            found = erase(tenant, pk, quiet=0).found
        except (WrongState, Overloaded) as error:
            found = [error.message]
        logger.info("A visitor whose erasure had begun was gone on with; left over: %d", len(found))


@transaction.atomic
def _empty(visitor_id: UUID) -> Person:
    """Nobody gets in any more, and nothing that was said is left. Everybody who writes into a conversation waits for its lock."""
    Visitor.objects.select_for_update().filter(pk=visitor_id).first()
    list(Conversation.objects.select_for_update().filter(visitor=visitor_id).order_by("pk").values("pk"))
    person = persons.find(visitor_id)
    visitor = person.visitor
    visitor.erasing_since = visitor.erasing_since or timezone.now()
    visitor.name, visitor.external_id, visitor.identified_until, visitor.page = "", "", None, {}
    visitor.save()
    persons.effects(person).delete()
    persons.log_entries(person).delete()
    conversations = Conversation.objects.filter(pk__in=person.conversations)
    lists = {conversation: _close(conversation, visitor) for conversation in conversations}
    for relation in Conversation._meta.related_objects:
        if relation.on_delete is models.CASCADE:
            of_theirs = {f"{relation.field.name}__in": person.conversations}
            relation.related_model._base_manager.filter(**of_theirs).delete()
    for conversation, left in lists.items():
        announce_inside(conversation, left)
        announce(agents_topic(schema()), gone_frame(conversation.pk))
    assign_soon()
    return person


def _close(conversation: Conversation, visitor: Visitor) -> set[str]:
    """Not as `chat.record.move` does it: nothing of this is to be told outside. The lists in which it was."""
    end_turn(conversation, "stopped")
    left = list_topics(schema(), conversation.state, conversation.agent_id)
    conversation.visitor = visitor
    conversation.state, conversation.agent, conversation.team = Conversation.State.CLOSED, None, None
    conversation.epoch += 1
    conversation.reason, conversation.rating, conversation.rating_comment = "", None, ""
    conversation.let_go_by, conversation.waiting_since, conversation.place = None, None, 0
    conversation.closed_at = conversation.closed_at or timezone.now()
    conversation.save()
    announce_in(conversation_topic, conversation.pk, state_frame(conversation))
    announce_in(conversation_topic, conversation.pk, {"type": ERASED, "conversation": str(conversation.pk)})
    return left


def _remove(person: Person, progress: Progress) -> Scan:
    traces.drop_keys(persons.keys(person))
    traces.drop_tasks(persons.tasks(person))
    _remove_files(person)
    return _remove_rows(person, progress)


def _remove_files(person: Person) -> None:
    for folder in persons.folders(person):
        shutil.rmtree(folder, ignore_errors=True)


@transaction.atomic
def _remove_rows(person: Person, progress: Progress) -> Scan:
    """Unless something else is found: then they stay, and with them what is to be looked for."""
    Conversation.objects.filter(pk__in=person.conversations).delete()
    persons.log_entries(person).delete()
    Visitor.objects.filter(pk=person.visitor.pk).delete()
    result = _scan(person, progress)
    if result.found:
        transaction.set_rollback(True)
    return result


def _scan(person: Person, progress: Progress) -> Scan:
    """Every table of the tenant's and of the public schema, its files, Redis and the queues."""
    result = Scan()
    _scan_tables(person, result, progress)
    result.looked_at["folders"] = len(person.conversations)
    result.found += [
        _("files in %(path)s") % {"path": path} for path in persons.folders(person) if path.exists()
    ]
    for key in traces.all_keys():
        result.looked_at["keys"] += 1
        if person.is_named_in(key):
            result.found.append(_("key %(key)s in Redis") % {"key": key})
    for task in traces.tasks():
        result.looked_at["tasks"] += 1
        if task.names & person.ids:
            result.found.append(_("task %(task)s in %(queue)s") % {"task": task.name, "queue": task.key})
    return result


def _scan_tables(person: Person, result: Scan, progress: Progress) -> None:
    here = [table for table in tables.searchable() if table.schema in (person.schema, "public")]
    for number, table, counts in tables.search(here, person.pattern, person.ids):
        progress(str(table), number, len(here))
        result.looked_at["tables"] += 1
        result.looked_at["rows"] += counts.rows
        if counts.ids or counts.words:
            said = _("%(table)s: %(count)d rows with its ids")
            result.found.append(said % {"table": table, "count": max(counts.ids, counts.words)})
