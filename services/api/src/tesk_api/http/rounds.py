"""Runs rounds on one thread, while there is somebody to run them for.

The longer a round takes, the longer the pause after it: whoever follows tasks, and
however many do, costs no more than a tenth of a core.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tesk_api.ports import Clock
from tesk_model.errors import TeskError

# Seconds between two rounds, at least; and as a multiple of what one takes.
_PAUSE = 0.5
_PAUSE_FACTOR = 10
_LONGEST = 10.0
_logger = logging.getLogger(__name__)

HEARTBEAT = 15.0
"""Seconds between two heartbeats: less than proxies and clients wait for a silent server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is done for those who listen.

    Attributes:
        run: One round; what it raises is logged, and the next one may succeed.
        heartbeat: Tells them that the server lives, whatever comes of rounds. Raises
            nothing; the lock is held.
        is_needed: Tells whether there is to be another round; the lock is held.
        interval: Seconds between two heartbeats, but for a round that takes longer.
    """

    run: Callable[[], None]
    heartbeat: Callable[[], None]
    is_needed: Callable[[], bool]
    interval: float = HEARTBEAT


class Rounds:
    """Runs a function again and again; it ends when nobody needs it."""

    def __init__(
        self,
        work: Work,
        *,
        name: str,
        clock: Clock,
        lock: threading.Lock,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Start no thread yet.

        Args:
            work: What to run.
            name: Of the thread.
            clock: Measures rounds.
            lock: Held by whoever begins.
            pause: Waits for so many seconds.
        """
        self._work = work
        self._name = name
        self._clock = clock
        self._lock = lock
        self._pause = pause
        self._is_running = False

    def begin(self) -> None:
        """Begin, unless they run; the caller holds the lock."""
        if not self._is_running:
            self._is_running = True
            threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        interval = self._work.interval
        beat_at = self._clock.monotonic() - interval
        while True:
            pause = self._run_once()
            with self._lock:
                now = self._clock.monotonic()
                if now - beat_at >= interval:
                    self._work.heartbeat()
                    beat_at = now
            self._pause(pause)
            with self._lock:
                if not self._work.is_needed():
                    self._is_running = False
                    return

    def _run_once(self) -> float:
        """Run one round; return the seconds to wait after it."""
        began = self._clock.monotonic()
        try:
            self._work.run()
        except TeskError as error:
            # Who listens waits, as for an answer; what they know stays. It took the
            # time of waiting, and nobody's processor.
            _logger.warning("tasks not followed", extra={"cause": error.message})
            return _PAUSE
        except Exception:
            _logger.exception("tasks not followed")
        took = self._clock.monotonic() - began
        return min(_LONGEST, max(_PAUSE, took * _PAUSE_FACTOR))
