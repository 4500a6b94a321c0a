"""Decides who is told of a task's states: by the operator's targets and the task's own.

The operator lists receivers. One with users or groups hears of their tasks alone. A
task may name a receiver of its own, by the backend parameter ``webhook``, where an entry
of the operator's lets it: its url must begin as the entry says, and the entry says
whose tasks may do so and with which secrets the events are signed.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from tesk_model.errors import Violation
from tesk_model.locations import InvalidLocationError, Location, parse_location
from tesk_model.states import TaskState
from tesk_model.url_lists import UrlPattern, begins_with_one

PARAMETER = "webhook"
"""The backend parameter, in lower case, that names the receiver of a task."""

MAX_URL = 2048
_PATH = f"resources.backend_parameters.{PARAMETER}"
_SCHEMES = ("https", "http")


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Of whose tasks, and of which of their states, a receiver hears.

    Attributes:
        users: Names of owners; with ``groups`` empty as well: everybody.
        groups: Groups of which an owner must have one.
        states: Empty for all.
    """

    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    states: frozenset[TaskState] = frozenset()

    def has(self, owner: str, groups: Collection[str]) -> bool:
        """Tell whether tasks of this owner are among them."""
        if not self.users and not self.groups:
            return True
        return owner in self.users or not self.groups.isdisjoint(groups)

    def hears(self, state: TaskState) -> bool:
        """Tell whether it hears of this state."""
        return not self.states or state in self.states


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A receiver that the operator lists, or receivers that tasks may name.

    Attributes:
        name: Unique among all targets.
        secrets: Names of the secrets that events are signed with, at least one.
        url: Of the receiver; "" for an entry of receivers that tasks name.
        beginnings: Of the urls that tasks may name.
    """

    name: str
    secrets: tuple[str, ...]
    audience: Audience
    url: str = ""
    beginnings: tuple[UrlPattern, ...] = ()

    def url_of(self, recipient: "Recipient") -> str:
        """Return where its events go now: a target that has moved gets them there."""
        return recipient.url if recipient.is_of_task else self.url


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where an event goes.

    Attributes:
        target: Name of the entry.
        url: Of the receiver.
        is_of_task: The task named it.
    """

    target: str
    url: str
    is_of_task: bool = False

    @property
    def destination(self) -> str:
        """What fails together: the target, or the server that tasks name by it."""
        return f"{self.target} {self.server}" if self.is_of_task else self.target

    @property
    def server(self) -> str:
        """Scheme, host and port of the url; its other parts may be secret."""
        location = parse_location(self.url)
        host = location.host.lower()
        bracketed = f"[{host}]" if ":" in host else host
        return f"{location.scheme}://{bracketed}:{location.port_or_default}"


@dataclass(frozen=True, slots=True)
class Targets:
    """All targets of an installation."""

    all: tuple[Target, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self.all)

    def find(self, name: str) -> Target | None:
        """Return the target of this name, if there is one."""
        return next((each for each in self.all if each.name == name), None)

    def recipients(
        self, owner: str, groups: Collection[str], state: TaskState, *, named: str
    ) -> Iterator[Recipient]:
        """Yield who hears that a task got a state.

        Args:
            owner: Of the task.
            groups: Of the owner.
            state: The new one.
            named: Url that the task names; "" for none.
        """
        for target in self.all:
            if (
                target.url
                and target.audience.has(owner, groups)
                and target.audience.hears(state)
            ):
                yield Recipient(target.name, target.url)
        found = self._for_url(named, owner, groups) if named else None
        if found is not None and found.audience.hears(state):
            yield Recipient(found.name, named, is_of_task=True)

    def may_send(self, recipient: Recipient) -> Target | None:
        """Return the target of a recipient, if it still has this receiver."""
        target = self.find(recipient.target)
        if target is None:
            return None
        if not recipient.is_of_task:
            return target if target.url else None
        try:
            location = parse_location(recipient.url)
        except InvalidLocationError:
            return None
        return target if begins_with_one(location, target.beginnings) else None

    def problems(
        self, named: str, owner: str, groups: Collection[str]
    ) -> Iterator[Violation]:
        """Yield why a task of this owner may not name this receiver."""
        if problem := url_problem(named):
            yield Violation(_PATH, problem)
        elif self._for_url(named, owner, groups) is None:
            yield Violation(
                _PATH,
                "is not a receiver that your tasks may name here; ask the operator"
                " for an entry in the file of webhooks",
            )

    def _for_url(
        self, named: str, owner: str, groups: Collection[str]
    ) -> Target | None:
        try:
            location = parse_location(named)
        except InvalidLocationError:
            return None
        return next(
            (
                each
                for each in self.all
                if each.audience.has(owner, groups)
                and begins_with_one(location, each.beginnings)
            ),
            None,
        )


NO_TARGETS = Targets()


def webhook_of(parameters: Mapping[str, str]) -> str:
    """Return the receiver that backend parameters name, in any case; "" for none."""
    found = (text for key, text in parameters.items() if key.lower() == PARAMETER)
    return next(found, "")


def url_problem(url: str) -> str | None:
    """Return why events cannot be sent to a url; None if they can."""
    if len(url) > MAX_URL:
        return f"must be at most {MAX_URL} characters"
    try:
        location = parse_location(url)
    except InvalidLocationError as error:
        return str(error)
    return _location_problem(location)


def _location_problem(location: Location) -> str | None:
    if location.scheme not in _SCHEMES:
        return "must be a url by https"
    if location.user is not None:
        return "must not hold a user or password; events are signed instead"
    if "#" in location.query:
        return "must not have a fragment (#)"
    return None
