"""Addresses of radios behind a vendor library: ``key=value,key=value``, never a search on the network."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import BadValueError

__all__ = ["parse_address", "require_uhd_target"]

#: Families that hang on USB or inside the computer: looking for one sends nothing into a network.
_WITHOUT_NETWORK = ("b200", "usrp1", "b100")
_TARGETS = ("addr", "resource")


def parse_address(text: str, uri: str) -> dict[str, str]:
    """Pairs of an address.

    Raises:
        BadValueError: not of that form, or a key given twice.
    """
    pairs: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        key, separator, value = part.partition("=")
        if not separator or not key.strip() or key.strip() in pairs:
            raise BadValueError(f"{part!r} in {uri!r} is not a pair, or is given twice", "write KEY=VALUE,KEY=VALUE")
        pairs[key.strip()] = value.strip()
    return pairs


def require_uhd_target(pairs: Mapping[str, str], uri: str) -> None:
    """Refuse an address with which libuhd would search every network by broadcast.

    Raises:
        BadValueError: neither an address nor a family on USB.
    """
    if pairs.get("type") not in _WITHOUT_NETWORK and not any(pairs.get(key) for key in _TARGETS):
        raise BadValueError(
            f"{uri!r} names no device, and libuhd would search all networks for one by broadcast",
            f"add addr=ADDRESS, or type= one of {', '.join(_WITHOUT_NETWORK)} for a radio on USB",
        )
