#!/usr/bin/env python3
"""Writes an Arrow IPC file with a column of every type that pyarrow can make, for the interoperability tests.

    make_types.py OUT.arrow [--skip NAME,NAME…]     all columns but these
    make_types.py --list                            the columns' names

Several batches of different lengths, some cut out of longer arrays at odd offsets, with nulls wherever the type has
them, empty and long values, NaNs with a payload, both zeros, and the extreme values of each number.
"""

import argparse
import datetime
import decimal
import struct

import pyarrow as pa
import pyarrow.ipc as ipc

ROWS = 101
# Where the rows are cut into batches: a single row, a length of whole bytes of a bitmap, and odd ones.
CUTS = [0, 1, 17, 33, 80, ROWS]
# The rows before these are cut off, so that every array starts at an offset that is no multiple of 8.
LEAD = 3


def cycle(values, nullable=True):
    """ROWS + LEAD values: the given ones over and over, with a null at every fifth place and a run of nulls."""
    out = [values[i % len(values)] for i in range(ROWS + LEAD)]
    if nullable:
        out = [None if i % 5 == 2 or 40 <= i < 50 else v for i, v in enumerate(out)]
    return out


def array(values, type_, nullable=True):
    return pa.array(cycle(values, nullable), type_)


def integers():
    for bits in (8, 16, 32, 64):
        yield f"int{bits}", array([0, 1, -1, 2 ** (bits - 1) - 1, -(2 ** (bits - 1))], getattr(pa, f"int{bits}")())
        yield f"uint{bits}", array([0, 1, 2**bits - 1], getattr(pa, f"uint{bits}")())


def floats():
    nan_with_payload = struct.unpack("<d", struct.pack("<Q", 0x7FF8DEADBEEF0001))[0]
    values = [0.0, -0.0, 1.5, -2.25, float("inf"), float("-inf"), float("nan"), nan_with_payload]
    yield "float16", array(values, pa.float16())
    yield "float32", array(values + [3.4e38, 1.4e-45], pa.float32())
    yield "float64", array(values + [1.7976931348623157e308, 5e-324], pa.float64())


def decimals():
    for bits, digits in ((32, 9), (64, 18), (128, 38), (256, 76)):
        largest = "9" * (digits - 2) + ".99"
        values = [decimal.Decimal(v) for v in ("0.00", "1.23", "-4.56", largest, "-" + largest)]
        yield f"decimal{bits}", array(values, getattr(pa, f"decimal{bits}")(digits, 2))
    yield "decimal_negative_scale", array([decimal.Decimal("1200"), decimal.Decimal("-98700")], pa.decimal128(10, -2))


def texts():
    strings = ["", "a", "zwölf Byte", "more than twelve bytes, so not inline", "\U0001f30a weir \0 inside", "x" * 300]
    binaries = [b"", b"\0", b"\xff\xfe", bytes(range(256))]
    for name, kind in (("utf8", pa.string()), ("large_utf8", pa.large_string()), ("utf8_view", pa.string_view())):
        yield name, array(strings, kind)
    for name, kind in (("binary", pa.binary()), ("large_binary", pa.large_binary()), ("binary_view", pa.binary_view())):
        yield name, array(binaries, kind)
    yield "fixed_size_binary", array([b"abc", b"\0\0\0", b"\xff\xff\xff"], pa.binary(3))


def times():
    yield "date32", array([0, 1, -719162, 2932896], pa.date32())
    yield "date64", pa.array(cycle([0, 86_400_000, -86_400_000]), pa.int64()).cast(pa.date64())
    for unit in ("s", "ms"):
        yield f"time32_{unit}", array([0, 1, 86_399], pa.time32(unit))
    for unit in ("us", "ns"):
        yield f"time64_{unit}", array([0, 1, 86_399_999_999], pa.time64(unit))
    for unit in ("s", "ms", "us", "ns"):
        yield f"timestamp_{unit}", array([0, 1, -1, 1_360_317_600], pa.timestamp(unit))
        yield f"timestamp_{unit}_utc", array([0, -1, 1_360_317_600], pa.timestamp(unit, tz="UTC"))
        yield f"duration_{unit}", array([0, 1, -1, 2**62], pa.duration(unit))
    yield "timestamp_zone", array([0, 1_360_317_600], pa.timestamp("ms", tz="America/New_York"))
    yield "timestamp_offset", array([0, 1_360_317_600], pa.timestamp("us", tz="+05:45"))
    yield "month_day_nano", array([(0, 0, 0), (1, -2, 3), (-12, 31, -(10**15))], pa.month_day_nano_interval())


def lists():
    values = [[], [1], [1, None, 3], None, list(range(40))]
    for name in ("list_", "large_list", "list_view", "large_list_view"):
        yield name.rstrip("_"), array(values, getattr(pa, name)(pa.int32()))
    yield "fixed_size_list", array([[1, 2, 3], [None, 5, None]], pa.list_(pa.int16(), 3))
    yield "list_not_null_items", array([[], [1], [1, 2]], pa.list_(pa.field("item", pa.int64(), nullable=False)))
    yield "list_utf8", array([[], ["a", None], ["b" * 20]], pa.list_(pa.string()))
    yield "list_of_list", array([[], [[]], [[1, 2], None, []]], pa.list_(pa.list_(pa.int8())))
    yield "list_utf8_view", array([[], ["a", None], ["c" * 20]], pa.list_(pa.string_view()))
    yield "map", array([[], [("k", 1)], [("a", None), ("b", 2)]], pa.map_(pa.string(), pa.int32()))
    yield "map_sorted", array([[], [("a", 1), ("b", 2)]], pa.map_(pa.string(), pa.int32(), keys_sorted=True))


def structs():
    point = pa.struct([pa.field("x", pa.float64(), nullable=False), pa.field("label", pa.string())])
    yield "struct", array([{"x": 1.0, "label": "a"}, {"x": -1.0, "label": None}], point)
    yield "struct_of_struct", array([{"p": {"x": 2.0, "label": "z"}, "n": 1}, {"p": None, "n": None}], pa.struct([("p", point), ("n", pa.uint8())]))
    yield "struct_empty", array([{}], pa.struct([]))
    yield "list_of_struct", array([[], [{"x": 1.0, "label": "q"}, None]], pa.list_(point))
    yield "map_of_struct", array([[], [("k", {"x": 0.5, "label": None})]], pa.map_(pa.string(), point))
    yield "struct_with_list", array([{"v": [1, None]}, {"v": None}], pa.struct([("v", pa.list_(pa.int32()))]))


def dictionaries():
    """One dictionary for all batches: the file format has no other."""
    words = pa.array(["alpha", "", "gamma, a word that is longer than most", "delta"])
    indices = cycle([0, 1, 2, 3])
    for index in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()):
        yield f"dictionary_{index}", pa.DictionaryArray.from_arrays(pa.array(indices, index), words)
    small = pa.array(indices, pa.int8())
    yield "dictionary_ordered", pa.DictionaryArray.from_arrays(small, words, ordered=True)
    yield "dictionary_large_utf8", pa.DictionaryArray.from_arrays(small, words.cast(pa.large_string()))
    yield "dictionary_int64", pa.DictionaryArray.from_arrays(small, pa.array([2**40, -1, 0, 7]))
    yield "dictionary_null_value", pa.DictionaryArray.from_arrays(small, pa.array(["a", None, "c", "d"]))
    offsets = pa.array([2 * i for i in range(ROWS + LEAD + 1)], pa.int32())
    inner = pa.DictionaryArray.from_arrays(pa.array([i * i // 3 % 4 for i in range(2 * (ROWS + LEAD))], pa.int16()), words)
    yield "list_of_dictionary", pa.ListArray.from_arrays(offsets, inner)
    yield "struct_of_dictionary", pa.StructArray.from_arrays([pa.DictionaryArray.from_arrays(small, words)], ["word"])


def others():
    n = ROWS + LEAD
    yield "null", pa.nulls(n)
    yield "bool", array([True, False, True, True], pa.bool_())
    yield "bool_not_null", array([True, False, False], pa.bool_(), nullable=False)
    yield "int64_not_null", array([7, -7, 0], pa.int64(), nullable=False)
    yield "utf8_all_null", pa.nulls(n, pa.string())
    numbers, words = pa.array(range(n), pa.int32()), pa.array([f"w{i}" if i % 3 else None for i in range(n)])
    tags = pa.array([i % 2 for i in range(n)], pa.int8())
    yield "sparse_union", pa.UnionArray.from_sparse(tags, [numbers, words], ["n", "w"])
    yield "dense_union", pa.UnionArray.from_dense(tags, pa.array([i // 2 for i in range(n)], pa.int32()), [numbers, words], ["n", "w"])
    yield "union_type_codes", pa.UnionArray.from_sparse(pa.array([5 if i % 2 else 9 for i in range(n)], pa.int8()), [numbers, words], ["n", "w"], [5, 9])
    for index in (pa.int16(), pa.int32(), pa.int64()):
        runs = [i * 13 for i in range(1, 8)] + [n]
        values = pa.array(["a", None, "b", "b", "", "c", None, "d"])
        yield f"run_end_{index}", pa.RunEndEncodedArray.from_arrays(pa.array(runs, index), values)


def extensions():
    """Extension types travel as field metadata; whoever does not know them must hand the metadata on."""
    ids = pa.array([bytes([i] * 16) for i in range(ROWS + LEAD)], pa.binary(16))
    yield "extension_uuid", pa.ExtensionArray.from_storage(pa.uuid(), ids)
    yield "extension_json", pa.ExtensionArray.from_storage(pa.json_(), array(['{"a": 1}', "null"], pa.string()))
    yield "extension_bool8", pa.ExtensionArray.from_storage(pa.bool8(), array([0, 1, -1], pa.int8()))
    tensor = pa.fixed_shape_tensor(pa.float32(), [2, 2])
    yield "extension_tensor", pa.ExtensionArray.from_storage(tensor, array([[1.0, 2.0, 3.0, 4.0]], pa.list_(pa.float32(), 4)))
    opaque = pa.opaque(pa.binary(), "geometry", "a vendor")
    yield "extension_opaque", pa.ExtensionArray.from_storage(opaque, array([b"\1\2", b""], pa.binary()))


SOURCES = [integers, floats, decimals, texts, times, lists, structs, dictionaries, others, extensions]
NOT_NULL = {"bool_not_null", "int64_not_null"}
METADATA = {"weir": "every type", "ключ": "значение", "empty": ""}


def columns(skip=frozenset()):
    for source in SOURCES:
        for name, values in source():
            if name not in skip:
                yield name, values


def batches(skip=frozenset()):
    """The schema, and the batches: slices at odd offsets."""
    made = dict(columns(skip))
    assert all(len(v) == ROWS + LEAD for v in made.values()), {n: len(v) for n, v in made.items() if len(v) != ROWS + LEAD}
    fields = [
        pa.field(name, values.type, nullable=name not in NOT_NULL, metadata={"column": name, "PARQUET:field_id": str(i)})
        for i, (name, values) in enumerate(made.items())
    ]
    schema = pa.schema(fields, METADATA)
    whole = pa.RecordBatch.from_arrays(list(made.values()), schema=schema)
    whole.validate(full=True)
    return schema, [whole.slice(LEAD + start, end - start) for start, end in zip(CUTS, CUTS[1:])]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", nargs="?")
    parser.add_argument("--skip", default="", help="columns to leave out, separated by commas")
    parser.add_argument("--list", action="store_true", help="print the columns' names")
    args = parser.parse_args()
    skip = frozenset(filter(None, args.skip.split(",")))
    if args.list:
        print("\n".join(name for name, _ in columns(skip)))
        return
    if args.out is None:
        parser.error("OUT.arrow is missing")
    unknown = skip - {name for name, _ in columns()}
    if unknown:
        parser.error(f"no such columns: {', '.join(sorted(unknown))}")
    schema, cut = batches(skip)
    with ipc.new_file(args.out, schema) as writer:
        for batch in cut:
            writer.write_batch(batch)
    print(f"{args.out}: {len(schema)} columns, {sum(map(len, cut))} rows in {len(cut)} batches")


if __name__ == "__main__":
    main()
