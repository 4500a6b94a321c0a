"""Serves the page of the load: what runs now, and what ran in the last hours."""

from dataclasses import dataclass

from flask import Response, request

from tesk_api.domain.load import DEFAULT_HOURS, HOURS
from tesk_api.http.identity import Identify
from tesk_api.http.web.load_charts import load_charts
from tesk_api.http.web.load_view import owner_rows
from tesk_api.http.web.rendering import render_page
from tesk_api.ports import Clock, LoadReader


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPage:
    """The page, as a view of Flask."""

    load: LoadReader
    identify: Identify
    clock: Clock

    def show_load(self) -> Response:
        """Show the load of the hours in the address; others count as the usual ones."""
        caller = self.identify()
        asked = request.args.get("hours", "")
        hours = next((each for each in HOURS if str(each) == asked), DEFAULT_HOURS)
        load = self.load.read(caller, hours)
        return render_page(
            self.clock,
            "load.html",
            load=load,
            owners=owner_rows(load),
            charts=load_charts(load),
            hours=hours,
            choices=HOURS,
            is_admin=caller.admin,
            user=caller.user,
        )
