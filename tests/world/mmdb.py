"""Writes MaxMind databases, as far as the worlds need them: the format is https://maxmind.github.io/MaxMind-DB/, version 2.0.

IPv4 networks stand in the IPv6 tree at ::/96. Every value is stored once; maps point to it. The time of building is an argument, so
that the same networks give the same bytes. No network may lie inside another.
"""
import struct

STRING, DOUBLE, UINT16, UINT32, MAP, UINT64, ARRAY = 2, 3, 5, 6, 7, 9, 11
# the type of a number of the metadata, which does not follow from its size
METADATA = {"node_count": UINT32, "record_size": UINT16, "ip_version": UINT16, "binary_format_major_version": UINT16,
            "binary_format_minor_version": UINT16, "build_epoch": UINT64}


def header(kind, length):
    size, more = (29, bytes([length - 29])) if length >= 29 else (length, b"")
    if length >= 285:
        size, more = 30, struct.pack(">H", length - 285)
    return (bytes([kind << 5 | size]) if kind <= 7 else bytes([size, kind - 7])) + more


def plain(value, kind=None, inner=None):
    """The bytes of a value; `inner` gives those of what is in it."""
    inner = inner or plain
    if isinstance(value, dict):
        return header(MAP, len(value)) + b"".join(inner(k) + inner(v) for k, v in value.items())
    if isinstance(value, list):
        return header(ARRAY, len(value)) + b"".join(map(inner, value))
    if isinstance(value, str):
        text = value.encode()
        return header(STRING, len(text)) + text
    if isinstance(value, float):
        return header(DOUBLE, 8) + struct.pack(">d", value)
    number = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return header(kind or (UINT16 if value < 1 << 16 else UINT32 if value < 1 << 32 else UINT64), len(number)) + number


def frozen(value):
    return tuple((k, frozen(v)) for k, v in value.items()) if isinstance(value, dict) else value


class Data:
    """The section of values."""

    def __init__(self):
        self.known, self.bytes = {}, bytearray()

    def offset(self, value):
        key = frozen(value)
        if key not in self.known:
            found = plain(value, inner=self.pointer)  # which stores what is in it first
            self.known[key] = len(self.bytes)
            self.bytes += found
        return self.known[key]

    def pointer(self, value):
        at = self.offset(value)
        if at < 2048:
            return bytes([0x20 | at >> 8, at & 255])
        if at < 526336:
            return bytes([0x28 | (at - 2048) >> 16]) + struct.pack(">H", (at - 2048) & 0xffff)
        return struct.pack(">I", 0x30000000 | (at - 526336))


def write(path, kind, networks, built):
    """`networks`: (network, value) in the order in which they are put in; a value is a map of strings, numbers and maps."""
    root = [None, None]
    for network, value in networks:
        whole = int(network.network_address)
        length = network.prefixlen + (96 if network.version == 4 else 0)
        node = root
        for i in range(length - 1):
            bit = whole >> (127 - i) & 1
            node[bit] = node[bit] or [None, None]
            node = node[bit]
        node[whole >> (128 - length) & 1] = value
    nodes, data, place = [], Data(), {}

    def walk(node):
        place[id(node)] = len(nodes)
        nodes.append(node)
        for child in node:
            if isinstance(child, list):
                walk(child)
            elif child is not None:
                data.offset(child)

    walk(root)
    separator = b"\0" * 16

    def record(child):
        if child is None:
            return len(nodes)
        return place[id(child)] if isinstance(child, list) else len(nodes) + len(separator) + data.offset(child)

    if len(nodes) + len(separator) + len(data.bytes) + 1 > 1 << 24:
        raise ValueError("more than three bytes of a record can tell")
    metadata = {"node_count": len(nodes), "record_size": 24, "ip_version": 6, "database_type": kind, "languages": [],
                "binary_format_major_version": 2, "binary_format_minor_version": 0, "description": {}, "build_epoch": built}
    with open(path, "wb") as f:
        for node in nodes:
            f.writelines(record(child).to_bytes(3, "big") for child in node)
        f.write(separator + data.bytes + b"\xab\xcd\xefMaxMind.com" + header(MAP, len(metadata)))
        f.writelines(plain(k) + plain(v, METADATA.get(k)) for k, v in metadata.items())
