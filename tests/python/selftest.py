#!/usr/bin/env python3
"""Tests the interoperability tools themselves: entries made here by FORMAT's letter compare equal, and each kind of damage is found."""

import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

import pyarrow as pa
import pyarrow.ipc as ipc

import interop
import make_types

HERE = pathlib.Path(__file__).parent


def entry(schema, batches, epoch=b"1", sentinel=False, trailer=True):
    """The bytes of a WAL entry."""
    metadata = {**(schema.metadata or {}), **({b"writer_epoch": epoch} if epoch else {}), **({b"fence_sentinel": b"true"} if sentinel else {})}
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, schema.with_metadata(metadata)) as writer:
        for batch in batches:
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema.with_metadata(metadata)))
    stream = sink.getvalue().to_pybytes()
    if not trailer:
        return stream
    length, digits = len(stream), b""
    while length >= 0x80:
        digits, length = digits + bytes([length & 0x7F | 0x80]), length >> 7
    payload = b"\x0a\x10" + bytes(range(16)) + b"\x10" + digits + bytes([length]) + b"\x1d" + struct.pack("<I", interop.crc32c(stream))
    return stream + payload + struct.pack("<II", len(payload), interop.crc32c(payload)) + interop.MAGIC


class Interop(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.schema, cls.batches = make_types.batches()

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.dir = pathlib.Path(scratch.name)
        self.wal = self.dir / "wal"
        self.wal.mkdir()
        self.expected = self.dir / "expected.arrow"
        self.expect(self.schema, self.batches)

    def expect(self, schema, batches):
        with ipc.new_file(str(self.expected), schema) as writer:
            for batch in batches:
                writer.write_batch(batch)

    def put(self, position, data):
        (self.wal / (format(position, "064b")[::-1] + ".arrow")).write_bytes(data)

    def put_all(self, change=lambda i, batch: batch, schema=None):
        for i, batch in enumerate(self.batches):
            changed = change(i, batch)
            self.put(i + 1, entry(schema or changed.schema, [changed]))

    def assert_equal(self, same_batches=False):
        self.assertIn("equal: ", interop.check(self.wal, self.expected, same_batches))

    def assert_different(self, words, same_batches=False):
        with self.assertRaises(interop.Different) as caught:
            interop.check(self.wal, self.expected, same_batches)
        self.assertIn(words, str(caught.exception))

    def test_the_exit_code_tells(self):
        self.put_all()
        command = [sys.executable, str(HERE / "interop.py"), str(self.wal), str(self.expected), "--batches"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        next(self.wal.iterdir()).unlink()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("interop: ", done.stderr)
        self.assertEqual(subprocess.run(command[:3], capture_output=True, check=False).returncode, 2)

    def test_crc32c_is_castagnolis(self):
        self.assertEqual(interop.crc32c(b"123456789"), 0xE3069283)

    def test_entries_of_every_type_compare_equal_with_sentinels_and_foreign_files_between(self):
        self.put(1, entry(self.schema, self.batches[:2]))
        self.put(2, entry(pa.schema([]), [], epoch=b"2", sentinel=True))
        self.put(3, entry(self.schema, self.batches[2:], epoch=b"2", trailer=False))
        (self.wal / ("0" * 64 + ".arrow#1")).write_bytes(b"staging")
        self.assert_equal(same_batches=True)

    def test_a_single_entry_is_taken_by_its_name(self):
        self.put(1, entry(self.schema, self.batches))
        self.wal = next(self.wal.iterdir())
        self.assert_equal()

    def test_other_batches_differ_only_if_asked_for(self):
        self.put(1, entry(self.schema, [pa.Table.from_batches(self.batches[:1]).to_batches()[0]] + [b.slice(0, 5) for b in self.batches[1:2]]
                          + [b.slice(5) for b in self.batches[1:2]] + self.batches[2:]))
        self.assert_equal()
        self.assert_different("batches of", same_batches=True)

    def test_a_changed_value_is_found_in_every_column(self):
        for column, name in enumerate(self.schema.names):
            kind = self.schema.field(column).type
            if pa.types.is_null(kind) or name in ("utf8_all_null", "struct_empty"):
                continue
            with self.subTest(name):
                # The second batch's rows, but with this column turned round: different wherever it is not a palindrome.
                def turned(i, batch, column=column):
                    if i != 3:
                        return batch
                    order = pa.array(range(len(batch) - 1, -1, -1))
                    try:
                        values = batch.column(column).take(order)
                    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
                        values = pa.concat_arrays([batch.column(column).slice(j, 1) for j in range(len(batch) - 1, -1, -1)])
                    return batch.set_column(column, batch.schema.field(column), values).replace_schema_metadata(batch.schema.metadata)

                self.put_all(turned, self.schema)
                self.assert_different(f"column {name}:")

    def test_a_zeros_sign_and_a_nans_payload_count(self):
        for bits in (0x8000000000000000, 0x7FF8000000000002):
            schema = pa.schema([("v", pa.float64())])
            one = pa.record_batch([pa.array([0.0 if bits >> 63 else float("nan")])], schema=schema)
            other = pa.record_batch([pa.array([bits], pa.uint64()).view(pa.float64())], schema=schema)
            self.expect(schema, [one])
            self.put(1, entry(schema, [other]))
            self.assert_different("column v: row 0")

    def test_lost_rows_metadata_and_nullability_are_found(self):
        self.put_all(lambda i, batch: batch.slice(1) if i == 2 else batch)
        self.assert_different("column int8: row 17")
        field = self.schema.field(0)
        self.put_all(schema=self.schema.set(0, field.with_metadata({"column": "int8"})))
        self.assert_different("column int8")
        self.put_all(schema=self.schema.set(0, field.with_nullable(False)))
        self.assert_different("column int8")
        self.put_all(schema=self.schema.with_metadata({"weir": "every type"}))
        self.assert_different("schema metadata")

    def test_damage_is_found(self):
        good = entry(self.schema, self.batches)
        for at in (len(good) // 2, len(good) - 20, len(good) - 12):
            damaged = bytearray(good)
            damaged[at] ^= 1
            self.put(1, bytes(damaged))
            self.assert_different("CRC")
        self.put(1, good[:-1])
        self.assert_equal()  # no magic: as good as another writer's, whose stream is whole
        self.put(1, entry(self.schema, self.batches, epoch=None))
        self.assert_different("no writer_epoch")

    def test_a_hole_and_an_empty_directory_are_found(self):
        self.assert_different("no entries")
        self.put_all()
        (self.wal / (format(2, "064b")[::-1] + ".arrow")).unlink()
        self.assert_different("nothing between positions 1 and 3")


if __name__ == "__main__":
    unittest.main(verbosity=1)
