"""The filters of a list, as they stand in the address of the page."""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from tesk_api.domain.requests import TaskQuery
from tesk_api.http.queries import parse_query
from tesk_model.task import TaskView

_PAGE_SIZE = 50
_FILTERS = ("state", "name_prefix", "tag")


def query_of(arguments: Mapping[str, str]) -> TaskQuery:
    """Return the query of a page.

    ``tag`` has conditions ``KEY`` or ``KEY=VALUE`` with blanks between; the others are
    those of TES.

    Raises:
        InvalidRequestError: Lists every wrong one.
    """
    tags = [each.partition("=") for each in arguments.get("tag", "").split()]
    given = [
        (name, arguments.get(name, ""))
        for name in ("state", "name_prefix", "page_token")
    ]
    keys = [("tag_key", key) for key, _, _ in tags]
    values = [("tag_value", value) for _, _, value in tags]
    query = parse_query(MultiDict([*given, *keys, *values]))
    return replace(query, view=TaskView.BASIC, page_size=_PAGE_SIZE, explain=True)


def filters_of(arguments: Mapping[str, str]) -> str:
    """Return the filters as the end of an address: ``?state=…``; "" without any."""
    given = {name: arguments[name] for name in _FILTERS if arguments.get(name)}
    return f"?{urlencode(given)}" if given else ""


def events_of(query: TaskQuery) -> str:
    """Return the address of the changes that concern a page.

    Also those to another state: a task leaves the list of its state by them.
    """
    given = [("name_prefix", query.name_prefix)] if query.name_prefix else []
    keys = [("tag_key", tag.key) for tag in query.tags]
    values = [("tag_value", tag.value) for tag in query.tags]
    conditions = urlencode([*given, *keys, *values])
    return f"/tesk/v1/events?{conditions}" if conditions else "/tesk/v1/events"


def tags_text(query: TaskQuery) -> str:
    """Return the conditions on tags as ``query_of`` reads them."""
    return " ".join(
        f"{tag.key}={tag.value}" if tag.value else tag.key for tag in query.tags
    )
