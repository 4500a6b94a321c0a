"""Makes the networks of attempts: a separate one, none, or that of this machine.

On the engine's default bridge all containers reach each other; separate networks are
isolated. An attempt gets a network with the few addresses that it needs: engines
have room for only some thirty networks of their default size.
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
# Answers of engines for a range that is in use.
_IN_USE = ("already used", "overlap", "conflict", "in use")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptNetworks:
    """Makes and removes the networks of attempts.

    Attributes:
        api: Of the engine.
        home: ``TESK_HOME``; identifies this TESK.
        network: Kind of network of executors.
        addresses: Networks are taken from this range.
    """

    api: ContainerApi
    home: Path
    network: Network
    addresses: str

    def mode(self, attempt: Attempt) -> str:
        """Return a container's ``NetworkMode``; makes the network if needed.

        Raises:
            StepFailedError: It cannot be made.
            EngineUnresponsiveError: The engine is down.
        """
        if self.network != "loopback-free":
            return self.network
        refusal = "no addresses are left"
        name = self._name(attempt)
        for subnet in subnets(self.addresses, name):
            try:
                self.api.create_network(name, self._config(attempt, subnet))
            except EngineRefusedError as error:
                if self._exists(attempt):
                    break
                refusal = str(error)
                if not any(text in refusal.lower() for text in _IN_USE):
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
        # Two TESKs on one engine may have attempts of the same name.
        home = hashlib.sha256(str(self.home).encode()).hexdigest()
        return f"{attempt.name}-{home[:12]}"

    def _exists(self, attempt: Attempt) -> bool:
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
    """Yield networks to try for ``name``, in an order that depends on it.

    Args:
        addresses: Range of IPv4 addresses from which they are taken.
        name: Of the network.
    """
    whole = ipaddress.IPv4Network(addresses)
    count = 2 ** max(0, _BITS - whole.prefixlen)
    size = 2 ** (32 - max(_BITS, whole.prefixlen))
    first = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    for number in range(min(_TRIES, count)):
        start = int(whole.network_address) + (first + number) % count * size
        yield str(ipaddress.IPv4Network((start, max(_BITS, whole.prefixlen))))
