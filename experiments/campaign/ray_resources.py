"""Radios as resources of a Ray cluster: what a node must offer so that trials with a need can run there."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

__all__ = ["how_to_offer", "nodes_offering", "resource_of"]

# Ray reads names of this form as parts of its placement groups.
_OF_RAY = "_group_"


def resource_of(need: str) -> str:
    """The name of a Ray resource for something that one trial at a time may use.

    Letters, digits, and the characters ``: . _ ~ -`` stay; every other byte of the name in UTF-8 is written as a
    percent sign and two hexadecimal digits (RFC 3986), so that different needs never share a resource.

    Args:
        need: as a trial names it, such as ``radio:`` and the address of a radio.

    >>> resource_of("radio:pluto:ip:192.168.2.1")
    'radio:pluto:ip:192.168.2.1'
    >>> resource_of("radio:usrp:type=b200")
    'radio:usrp:type%3Db200'
    """
    return quote(need, safe=":").replace(_OF_RAY, _OF_RAY.replace("_", "%5F"))


def nodes_offering(nodes: Iterable[Mapping[str, Any]], needs: Sequence[str]) -> list[Mapping[str, Any]]:
    """Living nodes that offer all of these, each exactly once.

    Args:
        nodes: as ``ray.nodes()`` lists them.
        needs: of a trial.
    """
    names = [resource_of(need) for need in needs]
    return [node for node in nodes if node["Alive"] and all(node["Resources"].get(name) == 1 for name in names)]


def how_to_offer(needs: Sequence[str], address: str) -> str:
    """The command that makes a machine a node with these radios.

    >>> print(how_to_offer(["radio:usrp:type=b200"], "192.168.1.10:6379"))
    ray start --address=192.168.1.10:6379 --resources='{"radio:usrp:type%3Db200": 1}'
    """
    resources = json.dumps({resource_of(need): 1 for need in needs})
    return f"ray start --address={address} --resources={shlex.quote(resources)}"
