"""What others say in the admin: Unfold, its theme, which brings no Chinese; and Django where its Chinese is stiff.

Listed here so that `make messages` finds these texts and keeps their translations in our catalogue; nothing imports
this module. Each must equal the other's text to the letter. Left out is what Django's catalogues translate well.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _
from django.utils.translation import ngettext_lazy

LISTS = (
    _("All applications"),
    _("Apply Filters"),
    _("Click to cancel"),
    _("Click to download"),
    _("Dataset not found. No action performed."),
    _("Date from"),
    _("Date to"),
    _("Expand row"),
    _("False"),
    _("Filters"),
    _("From"),
    _("General"),
    _("Go back"),
    _("Image preview"),
    _("More actions"),
    _("Next"),
    _("No data"),
    _("No results found"),
    _("Not enough data."),
    _("Previous"),
    _("Record picture"),
    _("Reset filters"),
    _("Run"),
    _("Select action"),
    _("Select action to run"),
    _("Select all rows"),
    _("Select record"),
    _("Submit"),
    _("This page yielded into no results. Create a new item or reset your filters."),
    _("To"),
    _("True"),
    _("Value"),
)
SEARCH = (
    _("Loading more results..."),
    _("No recent searches"),
    _("No results matching your query"),
    _("Recent searches"),
    _("Search apps and models..."),
    _("Type to search"),
    # Spaces and all: so it stands in Unfold's template.
    ngettext_lazy(
        "\n                Found %(counter)s result in %(time)s seconds\n            ",
        "\n                Found %(counter)s results in %(time)s seconds\n            ",
        "counter",
    ),
)
FORMS = (
    _("Add new item"),
    _("Add row"),
    _("After you've created a user, you’ll be able to edit more user options."),
    _("Bold"),
    _("Cancel"),
    _("Choose file to upload"),
    _("Code"),
    _("Date"),
    _("Enter an URL"),
    _("Heading"),
    _("Indent decrease"),
    _("Indent increase"),
    _("Italic"),
    _("Link"),
    _("Ordered list"),
    _("Paragraph"),
    _("Quote"),
    _(
        "Raw passwords are not stored, so there is no way to see this user’s password, but you can change the "
        'password using <a href="{}" class="text-primary-600 dark:text-primary-500">this form</a>.'
    ),
    _("Redo"),
    _("Select currency"),
    _("Select value"),
    _("Strike"),
    _("This item will be deleted."),
    _("Toggle password visibility"),
    _("Underlined"),
    _("Undo"),
    _("Unlink"),
    _("Unordered list"),
    _("You can not create nested object without parent"),
)
AROUND = (
    _("Dark"),
    _("Light"),
    _("Return to site"),
    _("System"),
    _("Welcome back to"),
    _("You have been successfully logged out from the administration"),
)
DJANGO = (
    _("Add %(name)s"),
    _("Add %s"),
    _("Add another %(verbose_name)s"),
    _("Are you sure?"),
    _("Change %s"),
    _("Delete selected %(verbose_name_plural)s"),
    _("Items must be selected in order to perform actions on them. No items have been changed."),
    _("Log out"),
    ngettext_lazy(
        "This password is too short. It must contain at least %d character.",
        "This password is too short. It must contain at least %d characters.",
        "counter",
    ),
    _("No action selected."),
    _("No, take me back"),
    _(
        "Please enter the correct %(username)s and password for a staff account. Note that both fields may be "
        "case-sensitive."
    ),
    _("Save and add another"),
    _("Select %s"),
    _("Select %s to change"),
    _("Select %s to view"),
    _("Thanks for spending some quality time with the web site today."),
    _("The %(name)s “%(obj)s” was deleted successfully."),
    _("The {name} “{obj}” was added successfully."),
    _("The {name} “{obj}” was added successfully. You may add another {name} below."),
    _("The {name} “{obj}” was changed successfully."),
    _("The {name} “{obj}” was changed successfully. You may add another {name} below."),
    _("The {name} “{obj}” was changed successfully. You may edit it again below."),
    _("View %s"),
    _("active"),
    _("group"),
    _("groups"),
    _("staff status"),
    _("superuser status"),
    _("Yes, I’m sure"),
    _("You may edit it again below."),
    ngettext_lazy(
        "%(count)s %(name)s was changed successfully.",
        "%(count)s %(name)s were changed successfully.",
        "count",
    ),
    ngettext_lazy("Please correct the error below.", "Please correct the errors below."),
)
# Of our own templates only those that `make messages` passes over: templates/widget/loader.js, for its ending.
LOADER = (
    _("Close the chat"),
    _("Open the chat"),
)
