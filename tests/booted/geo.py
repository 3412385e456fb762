"""Writes MaxMind databases that know of no address that is in use: enough for a configuration that names some."""
import struct


def _control(kind, size):
    return bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])


def _value(value):
    if isinstance(value, str):
        text = value.encode()
        return (_control(2, len(text)) if len(text) < 29 else _control(2, 29) + bytes([len(text) - 29])) + text
    if isinstance(value, dict):
        return _control(7, len(value)) + b"".join(_value(k) + _value(v) for k, v in value.items())
    if isinstance(value, list):
        return _control(11, len(value)) + b"".join(map(_value, value))
    kind, number = value
    number = number.to_bytes(8, "big").lstrip(b"\0")
    return _control(kind, len(number)) + number


KNOWN = {
    "GeoLite2-City": {"country": {"iso_code": "ZZ"}, "city": {"names": {"en": "Nowhere"}}},
    "GeoLite2-ASN": {"autonomous_system_number": (6, 64512), "autonomous_system_organization": "Nobody"},
}


def database(kind):
    """The bytes of a database of that type (MaxMind DB format 2.0): one node, of which one half leads nowhere. The other, 8000::/1, has
    the one record."""
    u16, u32, u64 = 5, 6, 9
    tree = struct.pack(">I", 1)[1:] + struct.pack(">I", 1 + 16)[1:]
    metadata = {"node_count": (u32, 1), "record_size": (u16, 24), "ip_version": (u16, 6), "database_type": kind,
                "languages": ["en"], "binary_format_major_version": (u16, 2), "binary_format_minor_version": (u16, 0),
                "build_epoch": (u64, 1700000000), "description": {"en": "nothing"}}
    return tree + bytes(16) + _value(KNOWN[kind]) + b"\xab\xcd\xefMaxMind.com" + _value(metadata)
