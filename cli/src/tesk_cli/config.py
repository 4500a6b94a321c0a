"""Settings of ``tesk serve`` and ``tesk run``: where and how to run a server."""

from typing import Annotated

import msgspec
from msgspec import Meta

from tesk_runtime.sections import LocalSettings


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the api's section that a server of this machine decides about.

    The api reads and checks the whole section, so other names pass here.
    """

    host: Annotated[str, Meta(extra={"variable": "HOST"})] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, extra={"variable": "PORT"})] = 8080
    storage: tuple[str, ...] = ()
    users_file: str = ""
    groups_file: str = ""


class Launcher(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the taskmaster's section without which there are no containers."""

    launcher: str = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor reads; the services read the rest themselves."""

    local: LocalSettings = LocalSettings()
    api: Address = Address()
    taskmaster: Launcher = Launcher()
