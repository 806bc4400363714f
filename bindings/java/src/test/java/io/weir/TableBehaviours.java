package io.weir;

import static io.weir.Comparison.column;
import static io.weir.Fixture.LONG;
import static io.weir.Fixture.SCHEMA;
import static io.weir.Fixture.SHARD;
import static io.weir.Rows.columns;
import static io.weir.Rows.delete;
import static io.weir.Rows.flush;
import static io.weir.Rows.get;
import static io.weir.Rows.keyed;
import static io.weir.Rows.keys;
import static io.weir.Rows.logOnly;
import static io.weir.Rows.names;
import static io.weir.Rows.put;
import static io.weir.Rows.range;
import static io.weir.Rows.scan;
import static io.weir.WriterBehaviours.failure;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.ipc.ArrowReader;

/** See {@link ConformanceTest}: MemTables, generations, snapshots. */
final class TableBehaviours {
  void upsertNewestWins(Fixture f) {
    try (Writer writer = f.writer(keyed())) {
      put(f, writer, "old", range(0, 10));
      put(f, writer, "new", range(5, 15));
      for (int flushed = 0; flushed < 2; flushed++) {
        assertEquals(names("old", 0, 5) + " " + names("new", 5, 15), scan(f, writer));
        assertEquals("fmff: new5 old4 new5", get(f, writer, 5, 20, 4, 5));
        flush(writer);
      }
    }
    try (Writer keyless = f.session.openWriter(f.root(), UUID.randomUUID(), SCHEMA, Fixture.quick());
        VectorSchemaRoot keys = keys(f, 1)) {
      put(f, keyless, "old", range(0, 10));
      put(f, keyless, "new", range(5, 15));
      assertEquals(names("old", 0, 10) + " " + names("new", 5, 15), scan(f, keyless));
      assertThrows(UnsupportedException.class, () -> keyless.get(keys, f.allocator));
      assertInstanceOf(UnsupportedException.class, failure(keyless.getAsync(keys, List.of(), f.allocator)));
      assertThrows(UnsupportedException.class, () -> keyless.delete(keys));
      assertInstanceOf(UnsupportedException.class, failure(keyless.deleteAsync(keys)));
      assertThrows(UnsupportedException.class, keyless::keySchema);
    }
  }

  void deleteAndStates(Fixture f) {
    try (Writer writer = f.writer(keyed())) {
      Ack put = put(f, writer, "a", range(0, 10));
      Ack gone = delete(f, writer, 3, 7);
      assertTrue(gone.sequence() > put.sequence() && gone.position() > put.position(), gone.toString());
      ScanOptions all = ScanOptions.defaults().withTombstones(true);
      for (int flushed = 0; flushed < 2; flushed++) {
        assertEquals("a0 a1 a2 a4 a5 a6 a8 a9", scan(f, writer));
        assertEquals("dfmd: a2", get(f, writer, 7, 2, 50, 7));
        List<Object> ids = scan(f, writer, all, "id");
        List<Object> tombstones = scan(f, writer, all, "_tombstone");
        assertEquals(10, ids.size());
        for (int i = 0; i < ids.size(); i++) {
          assertEquals(ids.get(i).equals(3L) || ids.get(i).equals(7L), tombstones.get(i));
        }
        try (Scan scan = writer.scan(all, f.allocator)) {
          assertEquals("_tombstone", columns(scan.schema()).getLast());
        }
        flush(writer);
      }
      put(f, writer, "b", 3);
      assertEquals("fd: b3", get(f, writer, 3, 7));

      try (VectorSchemaRoot keys = keys(f, 0, 1, 2)) {
        ((BigIntVector) keys.getVector("id")).setNull(1);
        assertThrows(InvalidDataException.class, () -> writer.delete(keys));
        assertInstanceOf(InvalidDataException.class, failure(writer.deleteAsync(keys)));
        assertThrows(InvalidDataException.class, () -> writer.get(keys, f.allocator));
      }
      assertEquals("fff: a0 a1 a2", get(f, writer, 0, 1, 2));
    }
  }

  void scanFilterLimit(Fixture f) {
    scanFilterLimit(f, keyed());
    scanFilterLimit(f, keyed().withIndexes(IndexDefinition.btree("by_name", "name")));
  }

  private static void scanFilterLimit(Fixture f, WriterOptions options) {
    try (Writer writer = f.session.openWriter(f.root(), UUID.randomUUID(), SCHEMA, options)) {
      for (int i = 0; i < 10; i++) {
        try (VectorSchemaRoot batch = Rows.saying(f, "row ", range(i * 10, i * 10 + 10))) {
          for (int row = 0; row < 10; row++) {
            if ((i * 10 + row) % 3 == 2) {
              ((VarCharVector) batch.getVector("name")).setNull(row);
            }
          }
          writer.put(batch);
        }
      }
      ScanOptions between = ScanOptions.where(column("id").ge(20), column("id").lt(40));
      assertEquals(Fixture.range(20, 40), scan(f, writer, between, "id"));
      assertEquals(Fixture.range(20, 27), scan(f, writer, between.withLimit(7), "id"));
      assertEquals(List.of(), scan(f, writer, between.withLimit(0), "id"));

      ScanOptions two = between.withColumns("name", "id");
      try (Scan scan = writer.scan(two, f.allocator)) {
        assertEquals(List.of("name", "id"), columns(scan.schema()));
      }
      assertEquals(Fixture.range(20, 40), scan(f, writer, two, "id"));
      assertNull(scan(f, writer, two, "name").get(0));
      assertEquals("row 21", scan(f, writer, two, "name").get(1).toString());
      assertEquals(List.of(42L), scan(f, writer, ScanOptions.where(column("name").eq("row 42")), "id"));
      assertEquals(List.of(2L, 5L, 8L), scan(f, writer, ScanOptions.where(column("name").isNull(), column("id").lt(10)), "id"));
      int rows = 0;
      try (Scan scan = writer.scan(ScanOptions.defaults().withBatchRows(30), f.allocator)) {
        for (VectorSchemaRoot batch : scan) {
          try (batch) {
            assertTrue(batch.getRowCount() <= 30);
            rows += batch.getRowCount();
          }
        }
      }
      assertEquals(100, rows);

      assertThrows(InvalidArgumentException.class, () -> writer.scan(ScanOptions.defaults().withColumns("nothing"), f.allocator));
      assertThrows(InvalidArgumentException.class, () -> writer.scan(ScanOptions.where(column("nothing").eq(1)), f.allocator));
      assertThrows(SchemaMismatchException.class, () -> writer.scan(ScanOptions.where(column("id").eq("20")), f.allocator));
    }
  }

  void scanMoment(Fixture f) throws Exception {
    Writer writer = f.writer(keyed());
    put(f, writer, "a", range(0, 30));
    Scan moment = writer.scan(ScanOptions.defaults().withBatchRows(10), f.allocator);
    put(f, writer, "b", range(20, 40));
    delete(f, writer, 0, 29);
    flush(writer);
    List<String> names = new ArrayList<>(List.of(Rows.names(moment.stream().limit(1))));
    assertEquals(names("a", 0, 10), names.getFirst());
    ArrowReader rest = moment.reader();
    assertThrows(ClosedException.class, moment::next);
    assertInstanceOf(ClosedException.class, failure(moment.nextAsync()));
    assertThrows(ClosedException.class, moment::reader);
    moment.close();
    writer.close();
    try (rest) {
      while (rest.loadNextBatch()) {
        VectorSchemaRoot rows = rest.getVectorSchemaRoot();
        for (int i = 0; i < rows.getRowCount(); i++) {
          names.add(rows.getVector("name").getObject(i).toString());
        }
      }
    }
    assertEquals(names("a", 0, 30), String.join(" ", names));
  }

  void freezeFlushRead(Fixture f) {
    try (Writer writer = f.writer(keyed().withCompactionMinGenerations(2))) {
      assertEquals(0, writer.freeze());
      writer.waitFlushed(0);
      put(f, writer, "a", range(0, 10));
      assertEquals(1, writer.freeze());
      writer.waitFlushed(1, LONG);
      writer.waitFlushedAsync(1).join();
      assertEquals(1, f.session.manifest(f.root(), SHARD).sstableCount());
      MemTableStats stats = writer.memTableStats();
      assertEquals(1, stats.publishedGeneration());
      assertEquals(0, stats.activeRows());
      assertEquals(10, stats.flushedRows());
      assertEquals(names("a", 0, 10), scan(f, writer));
      assertEquals("fmf: a9 a0", get(f, writer, 9, 10, 0));
      assertEquals(1, writer.freeze());
      assertThrows(InvalidArgumentException.class, () -> writer.waitFlushed(2));
      assertInstanceOf(InvalidArgumentException.class, failure(writer.waitFlushedAsync(2)));

      for (int i = 1; i < 4; i++) {
        put(f, writer, "a", range(i * 10, i * 10 + 10));
        assertEquals(i + 1, flush(writer));
      }
      assertEquals(4, f.session.manifest(f.root(), SHARD).sstableCount());
      assertTrue(writer.compact() >= 1);
      assertTrue(f.session.manifest(f.root(), SHARD).sstableCount() < 4);
      assertEquals(0, writer.compactAsync().join());
      assertEquals(0, writer.compact(LONG));
      assertEquals(names("a", 0, 40), scan(f, writer));
    }
  }

  void reopenReplays(Fixture f) {
    Writer first = f.writer(keyed());
    put(f, first, "flushed", range(0, 10));
    flush(first);
    put(f, first, "logged", range(10, 20));
    delete(f, first, 4, 14);
    first.abort();
    String left = names("flushed", 0, 1, 2, 3, 5, 6, 7, 8, 9) + " " + names("logged", 10, 11, 12, 13, 15, 16, 17, 18, 19);
    for (long replayed : List.of(12L, 0L)) {
      try (Writer writer = f.writer(keyed())) {
        assertEquals(replayed, writer.memTableStats().replayedRows());
        assertEquals(left, scan(f, writer));
        assertEquals("fdfdm: flushed3 logged13", get(f, writer, 3, 4, 13, 14, 20));
      }
    }
  }

  void snapshotThenTail(Fixture f) {
    try (Session own = Weir.session();
        Writer writer = f.writer(keyed())) {
      UUID nowhere = UUID.randomUUID();
      assertThrows(NotFoundException.class, () -> own.openSnapshot(f.root(), nowhere));
      assertInstanceOf(NotFoundException.class, failure(own.openSnapshotAsync(f.root(), nowhere, SCHEMA, SnapshotOptions.defaults())));
      put(f, writer, "a", range(0, 10));
      flush(writer);
      put(f, writer, "b", range(5, 15));
      try (Snapshot snapshot = own.openSnapshot(f.root(), SHARD);
          Snapshot flushed =
              own.openSnapshotAsync(f.root(), SHARD, SCHEMA, SnapshotOptions.defaults().withWal(false).withPrimaryKey("id")).join()) {
        put(f, writer, "c", range(15, 20));
        writer.checkFenced();
        assertEquals(names("a", 0, 5) + " " + names("b", 5, 15), scan(f, snapshot));
        assertEquals("mff: b14 a0", get(f, snapshot, 15, 14, 0));
        assertEquals(names("a", 0, 10), scan(f, flushed));
        assertEquals("mff: a5 a0", get(f, flushed, 14, 5, 0));
        assertEquals(1, snapshot.manifest().sstableCount());
        assertEquals(columns(SCHEMA), columns(snapshot.schema()));
        assertEquals(List.of("id"), columns(snapshot.keySchema()));
        try (Tailer tailer = own.openTailer(f.root(), SHARD, TailerOptions.from(snapshot.cutPosition() + 1))) {
          List<String> entries = new ArrayList<>();
          for (Entry entry : tailer) {
            try (entry) {
              entries.add(names(Stream.of(entry.batch(0, f.allocator))));
            }
          }
          assertEquals(List.of(names("c", 15, 20)), entries);
        }
      }
    }
  }

  void memtableOff(Fixture f) throws Exception {
    try (Writer writer = f.writer(logOnly());
        VectorSchemaRoot keys = keys(f, 1)) {
      assertThrows(UnsupportedException.class, () -> writer.scan(f.allocator));
      assertThrows(UnsupportedException.class, () -> writer.get(keys, f.allocator));
      assertThrows(UnsupportedException.class, () -> writer.delete(keys));
      try (ArrowArray array = f.exported(keys(f, 1))) {
        assertThrows(UnsupportedException.class, () -> writer.delete(array));
      }
      assertThrows(UnsupportedException.class, writer::freeze);
      assertThrows(UnsupportedException.class, () -> writer.waitFlushed(0));
      assertThrows(UnsupportedException.class, writer::compact);
      assertInstanceOf(UnsupportedException.class, failure(writer.compactAsync()));
      assertThrows(UnsupportedException.class, writer::memTableStats);
      f.put(writer, 0, 10);
      f.put(writer, 10, 10);
      assertEquals(0, writer.memory().unflushedLimitBytes());
    }
    assertEquals(Fixture.range(0, 20), f.log());

    Path untouched = f.directory.resolve("untouched");
    refused(f, untouched, logOnly().withPrimaryKey("id"), "primary_key");
    refused(f, untouched, logOnly().withIndexes(IndexDefinition.btree("by_name", "name")), "indexes");
    refused(f, untouched, keyed().withPrimaryKey("nothing"), "nothing");
    refused(f, untouched, keyed().withIndexes(IndexDefinition.btree("by_nothing", "nothing")), "nothing");
    assertFalse(Files.exists(untouched));
  }

  private static void refused(Fixture f, Path root, WriterOptions options, String word) {
    InvalidArgumentException e =
        assertThrows(InvalidArgumentException.class, () -> f.session.openWriter(root.toUri().toString(), SHARD, SCHEMA, options));
    assertTrue(e.getMessage().contains(word), e.getMessage());
  }

  /** The allocators of the fixture count what was not released, and a double release would end below 0 or crash. */
  void readOwnership(Fixture f) {
    Session own = Weir.session();
    Writer writer = own.openWriter(f.root(), SHARD, SCHEMA, keyed());
    f.put(writer, 0, 10);
    f.put(writer, 10, 10);
    List<VectorSchemaRoot> kept = new ArrayList<>();
    consumed(f, keys -> kept.add(writer.get(keys, List.of(), f.allocator).rows()));
    consumed(f, keys -> kept.add(writer.getAsync(keys, List.of(), f.allocator).join().rows()));
    consumed(f, keys -> assertThrows(InvalidArgumentException.class, () -> writer.get(keys, List.of("nothing"), f.allocator)));
    consumed(f, keys -> assertInstanceOf(InvalidArgumentException.class, failure(writer.getAsync(keys, List.of("nothing"), f.allocator))));
    consumed(
        f,
        keys -> { // one that was released already
          keys.release();
          assertThrows(WeirException.class, () -> writer.get(keys, List.of(), f.allocator));
          assertThrows(WeirException.class, () -> writer.delete(keys));
        });
    try (VectorSchemaRoot one = keys(f, 1);
        Scan scan = writer.scan(ScanOptions.where(column("id").ge(one.getVector("id"))), f.allocator)) {
      scan.stream().forEach(kept::add);
    }
    try (VectorSchemaRoot two = keys(f, 1, 2)) { // which of them?
      ScanOptions options = ScanOptions.where(column("id").ge(two.getVector("id")));
      assertThrows(InvalidArgumentException.class, () -> writer.scan(options, f.allocator));
    }
    try (VectorSchemaRoot one = keys(f, 1)) {
      ScanOptions options = ScanOptions.where(column("name").ge(one.getVector("id")));
      assertThrows(SchemaMismatchException.class, () -> writer.scan(options, f.allocator));
    }
    Snapshot snapshot = own.openSnapshot(f.root(), SHARD);
    consumed(f, keys -> kept.add(snapshot.get(keys, List.of(), f.allocator).rows()));
    try (VectorSchemaRoot keys = keys(f, 1)) {
      kept.add(snapshot.getAsync(keys, List.of(), f.allocator).join().rows());
    }
    consumed(f, writer::delete);
    consumed(f, keys -> writer.deleteAsync(keys).join());
    writer.close();
    snapshot.close();
    consumed(f, keys -> assertThrows(ClosedException.class, () -> writer.delete(keys)));
    consumed(f, keys -> assertInstanceOf(ClosedException.class, failure(writer.deleteAsync(keys))));
    consumed(f, keys -> assertThrows(ClosedException.class, () -> writer.get(keys, List.of(), f.allocator)));
    consumed(f, keys -> assertInstanceOf(ClosedException.class, failure(snapshot.getAsync(keys, List.of(), f.allocator))));
    try (VectorSchemaRoot keys = keys(f, 1)) {
      assertThrows(ClosedException.class, () -> writer.get(keys, f.allocator));
      assertThrows(ClosedException.class, () -> snapshot.get(keys, f.allocator));
      ScanOptions options = ScanOptions.where(column("id").ge(keys.getVector("id")));
      assertThrows(ClosedException.class, () -> snapshot.scan(options, f.allocator));
    }
    own.close();
    List<List<Long>> ids = kept.stream().map(Fixture::ids).toList();
    kept.forEach(VectorSchemaRoot::close);
    List<Long> one = List.of(1L);
    assertEquals(List.of(one, one, Fixture.range(1, 20), one, one), ids);
  }

  private interface Call {
    void with(ArrowArray keys);
  }

  /** Whatever the call comes to, the array is released after it. */
  private static void consumed(Fixture f, Call call) {
    try (ArrowArray array = f.exported(keys(f, 1))) {
      call.with(array);
      assertEquals(0, array.snapshot().release);
    }
  }
}
