"""Scans of a writer in MemTable mode, as others take them: pyarrow, DuckDB and polars read the Arrow stream that weir gives.

    python scan.py ROOT        ($WEIR_LIBRARY is the shared library)
"""

import os
import sys
from ctypes import Structure, byref, c_int64, c_uint8, c_uint32, c_uint64, c_void_p, sizeof

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "python"))

import duckdb
import polars
import pyarrow as pa
from quickstart import SHARD, Stream, call, get_pointer, weir

for free in ("scan", "snapshot"):
    getattr(weir, f"weir_{free}_free").argtypes = [c_void_p]

KEY = {"lance-schema:unenforced-primary-key": "true"}
SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False, metadata=KEY),
        pa.field("name", pa.string()),
        pa.field("at", pa.timestamp("us", tz="UTC")),
        pa.field("tags", pa.list_(pa.int32())),
    ]
)


class ScanOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("with_position", c_uint8),
        ("with_generation", c_uint8),
        ("with_tombstones", c_uint8),
        ("reserved", c_uint8),
        ("columns", c_void_p),
        ("columns_len", c_uint64),
        ("comparisons", c_void_p),
        ("comparisons_len", c_uint64),
        ("limit", c_uint64),
        ("batch_rows", c_uint32),
        ("reserved2", c_uint32),
    ]


def rows(ids, name):
    columns = [ids, [f"{name} {i}" for i in ids], [i * 1_000_000 for i in ids], [[i, i + 1] if i % 3 else None for i in ids]]
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, SCHEMA)], schema=SCHEMA)


def put(writer, table):
    stream = table.__arrow_c_stream__()
    call("weir_writer_put_stream", writer, c_void_p(get_pointer(stream, b"arrow_array_stream")), c_int64(-1), None)


def delete(writer, ids):
    keys = pa.record_batch([pa.array(ids, pa.int64())], names=["id"])
    _, array = keys.__arrow_c_array__()
    call("weir_writer_delete", writer, c_void_p(get_pointer(array, b"arrow_array")), None, c_int64(-1), None)


def scan(reader, kind, options=None):
    """A stream of all rows, as an object with a capsule."""
    handle, stream = c_void_p(), Stream()
    call(f"weir_{kind}_scan", reader, byref(options) if options else None, None, None, byref(handle))
    call("weir_scan_stream", handle, byref(stream.struct))
    weir.weir_scan_free(handle)
    return stream


def main(root):
    session, writer, snapshot, generation = c_void_p(), c_void_p(), c_void_p(), c_uint64()
    call("weir_session_new", None, byref(session))
    schema = SCHEMA.__arrow_c_schema__()
    call("weir_writer_open", session, root, SHARD, c_void_p(get_pointer(schema, b"arrow_schema")), None, byref(writer))
    put(writer, rows(range(0, 30_000), "old"))
    call("weir_writer_freeze", writer, byref(generation))
    call("weir_writer_wait_flushed", writer, generation, c_int64(-1))
    put(writer, rows(range(20_000, 40_000), "new"))
    delete(writer, list(range(0, 40_000, 10)))
    kept = [i for i in range(40_000) if i % 10]
    expected = pa.concat_tables([rows([i for i in kept if i < 20_000], "old"), rows([i for i in kept if i >= 20_000], "new")])

    table = pa.RecordBatchReader.from_stream(scan(writer, "writer")).read_all()
    assert table.schema.names == SCHEMA.names, table.schema
    assert table.sort_by("id").equals(expected.cast(table.schema)), "pyarrow reads other rows"

    # A stream is read once, so each question has its own.
    stream = pa.RecordBatchReader.from_stream(scan(writer, "writer"))
    found = duckdb.sql("select count(*), sum(id), count(distinct name), sum(len(tags)), max(\"at\")::varchar from stream").fetchall()[0]
    want = (len(kept), sum(kept), len(kept), 2 * sum(1 for i in kept if i % 3))
    assert found[:4] == want and found[4].startswith("1970-01-01 11:06:39"), (found, want)

    call("weir_snapshot_open", session, root, SHARD, None, None, byref(snapshot))
    options = ScanOptions(struct_size=sizeof(ScanOptions), with_generation=1, limit=2**64 - 1, batch_rows=1000)
    frame = polars.DataFrame(pa.RecordBatchReader.from_stream(scan(snapshot, "snapshot", options)).read_all())
    assert frame.height == len(kept) and frame["_generation"].n_unique() == 2, frame
    assert frame.select("id").sum().item() == sum(kept)

    weir.weir_snapshot_free(snapshot)
    weir.weir_writer_free(writer)
    weir.weir_session_free(session)
    print(f"pyarrow {pa.__version__}, duckdb {duckdb.__version__}, polars {polars.__version__}: {len(kept)} rows each")


if __name__ == "__main__":
    main(sys.argv[1].encode())
