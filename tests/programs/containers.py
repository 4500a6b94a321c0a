"""Removes what an engine still has of a TESK whose processes were killed."""

from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

from tesk_model.errors import UnavailableError
from tesk_taskmaster.adapters.container.discovery import open_container_engine

LAUNCHER = Path(__file__).parents[2] / "build" / "launcher"


def remove_containers(environ: Mapping[str, str], home: Path) -> None:
    """Remove the containers and networks of one ``TESK_HOME``.

    A taskmaster that is killed while it removes an attempt leaves the rest, and here
    no successor does the work.
    """
    with suppress(UnavailableError):  # no engine, or no launcher: no containers
        engine = open_container_engine(environ, launcher=LAUNCHER, home=home)
        with closing(engine._api._client):
            for attempt in engine.attempts():
                engine.remove(attempt)
