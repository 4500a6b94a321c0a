"""The network of an attempt's containers: one of its own, none, or this machine's.

On the engine's usual bridge all containers reach each other; those that are made
by Docker's API are kept apart (Podman does so as well). So an attempt gets its
own, with the few addresses that it needs: engines have room for some thirty
networks in the sizes that they choose themselves.
"""

import hashlib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tesk_model.names import Attempt
from tesk_model.reasons import ReasonCode
from tesk_taskmaster.adapters.container.api import ContainerApi, EngineRefusedError
from tesk_taskmaster.adapters.container.config import (
    HOME_LABEL,
    Network,
    attempt_labels,
)
from tesk_taskmaster.ports import StepFailedError

_BITS = 29  # eight addresses: of network, gateway, broadcast, and five for containers
_TRIES = 64
# What engines say of a range that is in use.
_TAKEN = ("already used", "overlap", "conflict", "in use")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptNetworks:
    """Makes and removes the networks of attempts.

    Attributes:
        api: Of the engine.
        home: Names the TESK that they belong to.
        network: What executors get.
        addresses: Networks are taken from this range.
    """

    api: ContainerApi
    home: Path
    network: Network
    addresses: str

    def mode(self, attempt: Attempt) -> str:
        """Return what a container's ``NetworkMode`` is; makes the network if needed.

        Raises:
            StepFailedError: It cannot be made.
            EngineSilentError: The engine is down.
        """
        if self.network != "loopback-free":
            return self.network
        refusal = "no addresses are left"
        name = self._name(attempt)
        for subnet in subnets(self.addresses, name):
            try:
                self.api.create_network(name, self._config(attempt, subnet))
            except EngineRefusedError as error:
                if self._is_there(attempt):
                    break
                refusal = str(error)
                if not any(word in refusal.lower() for word in _TAKEN):
                    raise self._failure(refusal) from error
            else:
                break
        else:
            raise self._failure(refusal)
        return name

    def remove(self, attempt: Attempt) -> None:
        """Remove the network of an attempt that has no containers any more."""
        self.api.remove_network(self._name(attempt))

    def labels(self) -> Sequence[Mapping[str, str]]:
        """Return the labels of all networks of this TESK."""
        return self.api.networks({HOME_LABEL: str(self.home)})

    def _name(self, attempt: Attempt) -> str:
        # Two TESKs may share an engine, and one may have a copy of another's tasks.
        home = hashlib.sha256(str(self.home).encode()).hexdigest()
        return f"{attempt.name}-{home[:12]}"

    def _is_there(self, attempt: Attempt) -> bool:
        wanted = attempt_labels(attempt, self.home)
        return any(labels == wanted for labels in self.api.networks(wanted))

    def _config(self, attempt: Attempt, subnet: str) -> dict[str, Any]:
        return {
            "subnet": subnet,
            "labels": attempt_labels(attempt, self.home),
        }

    @staticmethod
    def _failure(refusal: str) -> StepFailedError:
        return StepFailedError(
            f"the network cannot be made: {refusal}",
            code=ReasonCode.CONTAINER_START_FAILED,
            lost=True,
        )


def subnets(addresses: str, name: str) -> Iterator[str]:
    """Yield networks to try for ``name``, in an order of its own.

    Args:
        addresses: Range of IPv4 addresses from which they are taken.
        name: Others of this TESK, and other TESKs, begin elsewhere.
    """
    whole = ipaddress.IPv4Network(addresses)
    count = 2 ** max(0, _BITS - whole.prefixlen)
    size = 2 ** (32 - max(_BITS, whole.prefixlen))
    first = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    for number in range(min(_TRIES, count)):
        start = int(whole.network_address) + (first + number) % count * size
        yield str(ipaddress.IPv4Network((start, max(_BITS, whole.prefixlen))))
