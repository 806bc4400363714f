#!/usr/bin/env python3
"""Reads WAL entries as any Arrow program would, with pyarrow.ipc.open_stream, and compares them with what was put.

    interop.py ENTRY.arrow|WAL_DIRECTORY EXPECTED.arrow [--batches]

Equal means: the same columns of the same types, nullability and metadata (the reserved keys aside), and the same rows in the
same order, floats bit by bit. With --batches, also cut into the same batches. Of a directory, the entries are taken in the
order of their positions, fence sentinels aside; a hole is an error. Each entry's trailer is checked against FORMAT: magic, both
CRCs, length. Exit code 0: equal. 1: different or damaged, and stderr says where. 2: wrong usage.
"""

import argparse
import pathlib
import re
import struct
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as ipc

MAGIC = b"WEIRWAL1"
RESERVED = {
    b"writer_epoch", b"generation", b"fence_sentinel", b"mem_wal_target_generation", b"mem_wal_target_generation_dir",
    b"mem_wal_target_data_file", b"mem_wal_target_creator_epoch", b"mem_wal_target_batch_capacity",
}


class Different(Exception):
    """What is wrong, and where."""


# ---- Entries ---------------------------------------------------------------------------------------------------------

def crc32c_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


CRC_TABLE = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def protobuf_fields(data):
    """{field number: value} of a protobuf message without groups."""
    fields, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 1:
            value, at = struct.unpack_from("<Q", data, at)[0], at + 8
        elif kind == 2:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
        elif kind == 5:
            value, at = struct.unpack_from("<I", data, at)[0], at + 4
        else:
            raise Different(f"trailer: wire type {kind}")
        fields[key >> 3] = value
    return fields


def check_trailer(name, data):
    """The stream's bytes without weir's trailer, once that was found right. Another writer's entry has none."""
    if data[-8:] != MAGIC:
        return data
    length, crc = struct.unpack_from("<II", data, len(data) - 16)
    payload = data[len(data) - 16 - length:len(data) - 16]
    if len(payload) != length or crc32c(payload) != crc:
        raise Different(f"{name}: the trailer's own length or CRC is wrong")
    fields = protobuf_fields(payload)
    stream = data[:len(data) - 16 - length]
    if len(fields.get(1, b"")) != 16 or fields.get(2) != len(stream):
        raise Different(f"{name}: the trailer has no entry id, or says {fields.get(2)} of {len(stream)} bytes")
    if fields.get(3) != crc32c(stream):
        raise Different(f"{name}: CRC-32C of the stream is {crc32c(stream):08x}, the trailer says {fields.get(3, 0):08x}")
    return stream


def position(path):
    return int(path.name[:64][::-1], 2)


def entry_paths(path):
    if not path.is_dir():
        return [path]
    found = sorted((p for p in path.iterdir() if re.fullmatch(r"[01]{64}\.arrow", p.name)), key=position)
    for before, after in zip(found, found[1:]):
        if position(after) != position(before) + 1:
            raise Different(f"{path}: nothing between positions {position(before)} and {position(after)}")
    if not found:
        raise Different(f"{path}: no entries")
    return found


def read_entries(path):
    """The schema without the reserved keys, and all batches in order."""
    schema, batches = None, []
    for entry in entry_paths(path):
        data = entry.read_bytes()
        stream = check_trailer(entry.name, data)
        # The whole object, as a reader that knows nothing of trailers opens it: the stream ends before the trailer.
        reader = ipc.open_stream(pa.py_buffer(data))
        metadata = reader.schema.metadata or {}
        if not metadata.get(b"writer_epoch", b"").isdigit():
            raise Different(f"{entry.name}: no writer_epoch in the schema's metadata")
        own = list(reader)
        if metadata.get(b"fence_sentinel") == b"true":
            if own or len(reader.schema):
                raise Different(f"{entry.name}: a fence sentinel with columns or batches")
            continue
        if not own or any(len(b) == 0 for b in own):
            raise Different(f"{entry.name}: no batch, or an empty one")
        if len(list(ipc.open_stream(pa.py_buffer(stream)))) != len(own):
            raise Different(f"{entry.name}: reads differently without its trailer")
        stripped = reader.schema.with_metadata({k: v for k, v in metadata.items() if k not in RESERVED} or None)
        if schema is not None and not schema.equals(stripped, check_metadata=True):
            raise Different(f"{entry.name}: another schema than the entry before it")
        schema = stripped
        batches.extend(own)
    if schema is None:
        raise Different(f"{path}: only fence sentinels")
    return schema, batches


# ---- Comparison ------------------------------------------------------------------------------------------------------

def undictionaried(kind):
    """The type with the values' types in place of the dictionaries within it."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_struct(kind):
        return pa.struct([f.with_type(undictionaried(f.type)) for f in kind])
    for is_list, of in ((pa.types.is_list, pa.list_), (pa.types.is_large_list, pa.large_list)):
        if is_list(kind):
            return of(kind.value_field.with_type(undictionaried(kind.value_type)))
    return kind


def comparable(column):
    """The column such that equal() means what we mean: floats as their bits, encodings as the values that they stand for."""
    kind = column.type
    if pa.types.is_nested(kind) and undictionaried(kind) != kind:
        # A writer may leave out of a dictionary what a batch does not use.
        return column.cast(undictionaried(kind))
    if isinstance(kind, pa.BaseExtensionType):
        column = column.storage if isinstance(column, pa.Array) else pa.chunked_array([c.storage for c in column.chunks], kind.storage_type)
        return comparable(column)
    if pa.types.is_floating(kind):
        bits = {16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}[kind.bit_width]
        return pa.chunked_array([c.view(bits) for c in column.chunks], bits)
    if pa.types.is_dictionary(kind):
        return pa.chunked_array([c.dictionary_decode() for c in column.chunks], kind.value_type)
    if pa.types.is_run_end_encoded(kind):
        return pa.chunked_array([pc.run_end_decode(c) for c in column.chunks], kind.value_type)
    return column


def first_difference(actual, expected):
    for i, (a, e) in enumerate(zip(actual, expected)):
        if not a.equals(e):
            return f"row {i}: {a} instead of {e}"
    return f"{len(actual)} rows instead of {len(expected)}"


def compare(actual_schema, actual, expected_schema, expected, same_batches):
    if actual_schema.names != expected_schema.names:
        raise Different(f"columns {actual_schema.names} instead of {expected_schema.names}")
    for a, e in zip(actual_schema, expected_schema):
        if not a.equals(e, check_metadata=True):
            raise Different(f"column {e.name}: {a} {a.metadata} instead of {e} {e.metadata}")
    if (actual_schema.metadata or {}) != (expected_schema.metadata or {}):
        raise Different(f"schema metadata {actual_schema.metadata} instead of {expected_schema.metadata}")
    if same_batches and [len(b) for b in actual] != [len(b) for b in expected]:
        raise Different(f"batches of {[len(b) for b in actual]} rows instead of {[len(b) for b in expected]}")
    for batch in actual:
        batch.validate(full=True)
    stored, source = pa.Table.from_batches(actual, actual_schema), pa.Table.from_batches(expected, expected_schema)
    for name in expected_schema.names:
        a, e = comparable(stored.column(name)), comparable(source.column(name))
        if not a.equals(e):
            raise Different(f"column {name}: {first_difference(a, e)}")
    return source.num_rows


def check(entries, expected, same_batches=False):
    """Says how much is equal, or raises Different."""
    try:
        with pa.OSFile(str(expected)) as file:
            reader = ipc.open_file(file)
            source = [reader.get_batch(i) for i in range(reader.num_record_batches)]
            schema, batches = read_entries(pathlib.Path(entries))
            rows = compare(schema, batches, reader.schema, source, same_batches)
    except (pa.ArrowException, OSError, IndexError, struct.error) as problem:
        raise Different(f"{type(problem).__name__}: {problem}") from problem
    return f"equal: {rows} rows of {len(schema)} columns in {len(batches)} batches"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("entries", help="an entry, or a shard's wal directory")
    parser.add_argument("expected", help="Arrow IPC file of what was put")
    parser.add_argument("--batches", action="store_true", help="also require the same batches")
    args = parser.parse_args()
    try:
        print(check(args.entries, args.expected, args.batches))
    except Different as problem:
        sys.exit(f"interop: {problem}")


if __name__ == "__main__":
    main()
