"""Declares the settings of ``tesk serve`` and ``tesk run``."""

from typing import Annotated

import msgspec
from msgspec import Meta

from tesk_runtime.sections import GrpcSettings, LocalSettings


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the api that a server of this machine needs itself.

    The api reads and checks the whole section, so unknown names are ignored here.
    """

    host: Annotated[str, Meta(extra={"variable": "HOST"})] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, extra={"variable": "PORT"})] = 8080
    storage: tuple[str, ...] = ()
    users_file: str = ""
    groups_file: str = ""


class Launcher(msgspec.Struct, frozen=True, kw_only=True):
    """The setting of the taskmaster that containers need."""

    launcher: str = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that the supervisor reads; services read the others themselves."""

    local: LocalSettings = LocalSettings()
    grpc: GrpcSettings = GrpcSettings()
    api: Address = Address()
    taskmaster: Launcher = Launcher()
