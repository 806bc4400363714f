#!/usr/bin/env python3
"""Reads a generation's data.arrow as any Arrow program would, and compares it with what was put.

    generation.py DATA.arrow EXPECTED.arrow [--polars]

With pyarrow (opened as a file, and mapped), equal means: the same columns of the same types, nullability and metadata, and the same
rows in the same order, floats bit by bit. With --polars also read by polars, which must find in DATA what it finds in EXPECTED.
Exit code 0: equal. 1: different or unreadable, and stderr says where. 2: wrong usage.
"""

import argparse
import sys

import pyarrow as pa
import pyarrow.ipc as ipc

from interop import Different, compare


def read(path):
    """The schema and all batches; random access by number gives the same batches as reading on."""
    with pa.memory_map(str(path)) as file:
        reader = ipc.open_file(file)
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        if sum(len(b) for b in batches) != reader.read_all().num_rows:
            raise Different(f"{path}: reading on gives other rows than reading by number")
        return reader.schema, batches


def compare_polars(data, expected):
    import polars as pl
    stored, source = pl.read_ipc(data), pl.read_ipc(expected)
    if stored.schema != source.schema:
        raise Different(f"polars: {stored.schema} instead of {source.schema}")
    if not stored.equals(source, null_equal=True):
        raise Different(f"polars: {stored} instead of {source}")
    # Lazily, as large files are read.
    lazy = pl.scan_ipc(data).select(pl.len()).collect().item()
    if lazy != source.height:
        raise Different(f"polars: {lazy} rows instead of {source.height}")
    return f", polars {pl.__version__} too"


def check(data, expected, polars):
    also = compare_polars(data, expected) if polars else ""
    try:
        (schema, batches), (expected_schema, source) = read(data), read(expected)
        rows = compare(schema, batches, expected_schema, source, False)
    except (pa.ArrowException, OSError) as problem:
        raise Different(f"{type(problem).__name__}: {problem}") from problem
    return f"equal: {rows} rows of {len(schema)} columns in {len(batches)} batches{also}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", help="a generation's data.arrow")
    parser.add_argument("expected", help="Arrow IPC file of what was put")
    parser.add_argument("--polars", action="store_true", help="also read with polars")
    args = parser.parse_args()
    try:
        print(check(args.data, args.expected, args.polars))
    except Different as problem:
        sys.exit(f"generation: {problem}")


if __name__ == "__main__":
    main()
