"""The tree of an IIO context: devices, their channels and attributes, as libiio's clients see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

__all__ = ["AttributeKey", "IioChannel", "IioContext", "IioDevice", "IioRefusalError"]

# libiio validates what it is sent.
_GRAMMAR = (
    "<!ELEMENT context (context-attribute*, device*)>"
    "<!ATTLIST context name CDATA #REQUIRED description CDATA #IMPLIED>"
    "<!ELEMENT context-attribute EMPTY>"
    "<!ATTLIST context-attribute name CDATA #REQUIRED value CDATA #REQUIRED>"
    "<!ELEMENT device (channel*, attribute*, debug-attribute*, buffer-attribute*)>"
    "<!ATTLIST device id CDATA #REQUIRED name CDATA #IMPLIED>"
    "<!ELEMENT channel (scan-element?, attribute*)>"
    "<!ATTLIST channel id CDATA #REQUIRED name CDATA #IMPLIED type (input | output) #REQUIRED>"
    "<!ELEMENT scan-element EMPTY>"
    "<!ATTLIST scan-element index CDATA #REQUIRED format CDATA #REQUIRED>"
    "<!ELEMENT attribute EMPTY><!ATTLIST attribute name CDATA #REQUIRED filename CDATA #IMPLIED>"
    "<!ELEMENT debug-attribute EMPTY><!ATTLIST debug-attribute name CDATA #REQUIRED>"
    "<!ELEMENT buffer-attribute EMPTY><!ATTLIST buffer-attribute name CDATA #REQUIRED>"
)


class IioRefusalError(Exception):
    """A request that the emulated kernel answers with an error.

    Args:
        number: positive errno.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True, slots=True)
class AttributeKey:
    """Where an attribute is.

    Attributes:
        device: id of the device, such as "iio:device0".
        kind: "" for attributes of the device itself, else "INPUT", "OUTPUT", "DEBUG" or "BUFFER".
        channel: id of the channel, such as "voltage0"; "" unless the kind is "INPUT" or "OUTPUT".
        name: such as "sampling_frequency".
    """

    device: str
    kind: str
    channel: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IioChannel:
    """One channel.

    Attributes:
        id: such as "voltage0".
        output: whether it leaves the device.
        attributes: name to text.
        label: second name, such as "RX_LO".
        scan_index: place in the samples of a buffer; None for channels that have none.
        scan_format: of one sample, such as "le:S12/16>>0".
    """

    id: str
    output: bool
    attributes: Mapping[str, str]
    label: str = ""
    scan_index: int | None = None
    scan_format: str = ""

    @property
    def kind(self) -> str:
        """Its place in an `AttributeKey`."""
        return "OUTPUT" if self.output else "INPUT"

    def xml(self) -> str:
        """Its part of the context's XML."""
        label = f" name={quoteattr(self.label)}" if self.label else ""
        scan = ""
        if self.scan_index is not None:
            scan = f'<scan-element index="{self.scan_index}" format={quoteattr(self.scan_format)} />'
        prefix = f"{'out' if self.output else 'in'}_{self.id}_" + (f"{self.label}_" if self.label else "")
        attributes = "".join(
            f"<attribute name={quoteattr(name)} filename={quoteattr(prefix + name)} />" for name in self.attributes
        )
        kind = "output" if self.output else "input"
        return f'<channel id={quoteattr(self.id)}{label} type="{kind}" >{scan}{attributes}</channel>'


@dataclass(frozen=True, slots=True, kw_only=True)
class IioDevice:
    """One device; all attributes are name to text."""

    id: str
    name: str
    channels: tuple[IioChannel, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    debug_attributes: Mapping[str, str] = field(default_factory=dict)
    buffer_attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_lanes(self) -> int:
        """Channels that a buffer of this device can carry; two for one complex channel."""
        return sum(channel.scan_index is not None for channel in self.channels)

    def _kinds(self) -> tuple[tuple[str, str, Mapping[str, str]], ...]:
        return (
            ("", "attribute", self.attributes),
            ("DEBUG", "debug-attribute", self.debug_attributes),
            ("BUFFER", "buffer-attribute", self.buffer_attributes),
        )

    def values(self) -> Iterator[tuple[AttributeKey, str]]:
        """Every attribute with its text."""
        for channel in self.channels:
            for name, text in channel.attributes.items():
                yield AttributeKey(self.id, channel.kind, channel.id, name), text
        for kind, _, attributes in self._kinds():
            for name, text in attributes.items():
                yield AttributeKey(self.id, kind, "", name), text

    def xml(self) -> str:
        """Its part of the context's XML."""
        own = "".join(f"<{tag} name={quoteattr(name)} />" for _, tag, names in self._kinds() for name in names)
        channels = "".join(channel.xml() for channel in self.channels)
        return f"<device id={quoteattr(self.id)} name={quoteattr(self.name)} >{channels}{own}</device>"


@dataclass(frozen=True, slots=True, kw_only=True)
class IioContext:
    """What a server shows to its clients.

    Attributes:
        description: one line about the machine.
        attributes: name to text.
        devices: in the order of their ids.
    """

    description: str
    attributes: Mapping[str, str]
    devices: tuple[IioDevice, ...]

    def device(self, name: str) -> IioDevice:
        """Device of that name or id.

        Raises:
            KeyError: there is none.
        """
        for device in self.devices:
            if name in (device.id, device.name):
                return device
        raise KeyError(name)

    def values(self) -> dict[AttributeKey, str]:
        """Every attribute of every device with its text."""
        return {key: text for device in self.devices for key, text in device.values()}

    def xml(self) -> str:
        """The description that clients ask for first. Values are not part of it: they are read one by one."""
        attributes = "".join(
            f"<context-attribute name={quoteattr(name)} value={quoteattr(text)} />"
            for name, text in self.attributes.items()
        )
        devices = "".join(device.xml() for device in self.devices)
        return (
            f'<?xml version="1.0" encoding="utf-8"?><!DOCTYPE context [{_GRAMMAR}]>'
            f'<context name="local" description={quoteattr(self.description)} >{attributes}{devices}</context>'
        )
