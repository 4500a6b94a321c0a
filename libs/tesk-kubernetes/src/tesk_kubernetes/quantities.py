"""Parses amounts of resources as Kubernetes writes them: ``250m``, ``64Mi``, ``1e3``.

Source:
    Kubernetes API, "Quantity".
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Final

_QUANTITY: Final = re.compile(
    r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([KMGTPE]i|[numkMGTPE]|)"
)
_SI: Final = {
    suffix: Decimal(1000) ** power
    for power, suffix in enumerate(
        ("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3
    )
}
_BINARY: Final = {
    f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)
}
_FACTORS: Final = _SI | _BINARY


def parse_amount(quantity: str | float) -> Decimal:
    """Parse a quantity; zero for one that Kubernetes would refuse."""
    match = _QUANTITY.fullmatch(str(quantity))
    if match is None:
        return Decimal(0)
    try:
        return Decimal(match[1]) * _FACTORS[match[2]]
    except InvalidOperation:
        return Decimal(0)
