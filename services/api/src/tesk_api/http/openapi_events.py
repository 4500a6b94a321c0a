"""Describes streams of server-sent events in the OpenAPI document.

OpenAPI 3.1 has no word for the entries of a stream. As its tools read one, the schema
is that of each event, as a client parses it: an object of the fields of the HTML
standard, 9.2.6.
"""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def stream_content(data: Mapping[str, Json]) -> Json:
    """Return the content of a response that is a stream.

    Args:
        data: The schema of ``data``, which is JSON, by the name of each event.
    """
    return {"text/event-stream": {"schema": {"oneOf": list(map(_event, data.items()))}}}


def _event(named: tuple[str, Json]) -> Json:
    name, data = named
    return {
        "type": "object",
        "required": ["event", "data"],
        "additionalProperties": False,
        "properties": {
            "event": {"const": name},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": data,
            },
            # That of the last event that had one; none at the beginning.
            "id": {"type": "string"},
        },
    }
