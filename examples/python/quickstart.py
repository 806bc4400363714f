"""weir from Python with nothing but ctypes and pyarrow: puts a file's batches durably, reads them back as a table.

    python quickstart.py FILE.arrow [ROOT]

weir has no Python package; this shows what one would rest on. Data crosses as PyCapsules of the Arrow C data interface, so any library that
speaks it (pyarrow, polars, duckdb, nanoarrow) works in pyarrow's place, and no batch is copied. The shared library is looked for as the linker does, or at
$WEIR_LIBRARY.
"""

import ctypes
import os
import sys
from ctypes import POINTER, byref, c_char_p, c_int32, c_int64, c_uint64, c_void_p

import pyarrow as pa

SHARD = b"b6b0c0de-3f0e-4c52-8a53-5d3f7c9d2a11"


class Ack(ctypes.Structure):
    _fields_ = [("sequence", c_uint64), ("position", c_uint64), ("epoch", c_uint64)]


class ArrowArrayStream(ctypes.Structure):
    _fields_ = [(name, c_void_p) for name in ("get_schema", "get_next", "get_last_error", "release", "private_data")]


weir = ctypes.CDLL(os.environ.get("WEIR_LIBRARY", "libweir.so.0"))
weir.weir_error_message.restype = c_char_p
weir.weir_error_message.argtypes = weir.weir_error_free.argtypes = [c_void_p]
for free in ("session", "writer", "tailer"):
    getattr(weir, f"weir_{free}_free").argtypes = [c_void_p]


def call(name, *arguments):
    """Calls a function whose last parameter is the error, and raises it."""
    error = c_void_p()
    function = getattr(weir, name)
    function.restype = c_int32
    if function(*arguments, byref(error)) != 0:
        message = weir.weir_error_message(error).decode()
        weir.weir_error_free(error)
        raise RuntimeError(message)


get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
get_pointer.restype, get_pointer.argtypes = c_void_p, [ctypes.py_object, c_char_p]
new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype, new_capsule.argtypes = ctypes.py_object, [c_void_p, c_char_p, c_void_p]


class Stream:
    """A stream of weir's, for whoever asks for its capsule. The struct lives here until it has been moved out."""

    def __init__(self):
        self.struct = ArrowArrayStream()

    def __arrow_c_stream__(self, requested_schema=None):
        return new_capsule(ctypes.addressof(self.struct), b"arrow_array_stream", None)


def main(file, root):
    session, writer, tailer, ack, stream = c_void_p(), c_void_p(), c_void_p(), Ack(), Stream()
    call("weir_session_new", None, byref(session))
    try:
        with pa.ipc.open_file(file) as source:
            table = source.read_all()
        schema, rows = table.schema.__arrow_c_schema__(), table.__arrow_c_stream__()
        schema_pointer = c_void_p(get_pointer(schema, b"arrow_schema"))
        call("weir_writer_open", session, root, SHARD, schema_pointer, None, byref(writer))
        # The stream is moved out of its capsule; the schema stays the capsule's.
        call("weir_writer_put_stream", writer, c_void_p(get_pointer(rows, b"arrow_array_stream")), c_int64(-1), byref(ack))
        print(f"put   {table.num_rows} rows, position {ack.position}, epoch {ack.epoch}")

        call("weir_tailer_open", session, root, SHARD, None, byref(tailer))
        call("weir_tailer_stream", tailer, byref(stream.struct))
        back = pa.RecordBatchReader.from_stream(stream).read_all()
        print(f"tail  {back.num_rows} rows, {back.nbytes} bytes, columns {', '.join(back.column_names)}")
        assert back.slice(back.num_rows - table.num_rows).equals(table), "the rows differ"
    finally:
        weir.weir_tailer_free(tailer)
        weir.weir_writer_free(writer)
        weir.weir_session_free(session)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1], (sys.argv[2] if len(sys.argv) > 2 else "memory://quickstart").encode())
