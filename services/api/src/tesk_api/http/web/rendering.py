"""Renders templates to pages, with the token of the forms of this browser."""

from typing import Any

from flask import Response, render_template

from tesk_api.http.web import presentation
from tesk_api.http.web.forms import form_token, with_token
from tesk_api.ports import Clock


def render_page(clock: Clock, template: str, **values: Any) -> Response:
    """Return the page of ``template``, a name below ``web/``."""
    token = form_token()
    text = render_template(
        f"web/{template}",
        form_token=token,
        now=clock.now(),
        show=presentation,
        **values,
    )
    return with_token(Response(text, mimetype="text/html"), token)
