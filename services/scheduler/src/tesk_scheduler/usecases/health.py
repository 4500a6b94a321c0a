"""Checks the store: a scheduler that cannot write to it is not ready."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tesk_model.errors import TeskError
from tesk_scheduler.ports.store import TaskStore
from tesk_scheduler.usecases.status import Status

_EVERY = 1.0

_logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Health:
    """Checks the store periodically.

    Attributes:
        set_ready: Called with whether calls can be served, when that changes.
    """

    store: TaskStore
    status: Status
    set_ready: Callable[[bool], None]
    _is_ready: bool = field(default=True, init=False)

    def run(self, stop: threading.Event) -> None:
        """Check every second until ``stop`` is set."""
        while not stop.wait(_EVERY):
            self.check()

    def check(self) -> None:
        """Check once."""
        problem = ""
        try:
            self.store.check_health()
        except TeskError as error:
            problem = error.message
        except Exception as error:
            _logger.exception("store not checked")
            problem = type(error).__name__
        self.status.is_ready = not problem
        if self._is_ready == bool(problem):
            self._is_ready = not problem
            if problem:
                _logger.error("not ready", extra={"cause": problem})
            else:
                _logger.info("ready again")
            self.set_ready(self._is_ready)
