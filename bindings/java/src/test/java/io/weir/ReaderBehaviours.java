package io.weir;

import static io.weir.Fixture.LONG;
import static io.weir.Fixture.SCHEMA;
import static io.weir.Fixture.SHARD;
import static io.weir.Fixture.eventually;
import static io.weir.Fixture.eventuallyAtLeast;
import static io.weir.Fixture.quick;
import static io.weir.Fixture.range;
import static io.weir.WriterBehaviours.failure;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.arrow.vector.BitVector;
import org.apache.arrow.vector.Float4Vector;
import org.apache.arrow.vector.Float8Vector;
import org.apache.arrow.vector.IntVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.complex.ListVector;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.FieldType;

/** See {@link ConformanceTest}. */
final class ReaderBehaviours {
  /** Five entries of ten rows, the first two of epoch 1, then a sentinel and three of epoch 2: positions 1 to 6. */
  private static void fill(Fixture f) {
    try (Writer writer = f.writer()) {
      f.put(writer, 0, 10);
      f.put(writer, 10, 10);
    }
    try (Writer writer = f.writer()) {
      for (int i = 2; i < 5; i++) {
        f.put(writer, i * 10, 10);
      }
    }
  }

  void tailOrder(Fixture f) {
    fill(f);
    try (Tailer tailer = f.tailer()) {
      long rows = 0;
      for (long position = 1; position <= 6; position++) {
        try (Entry entry = tailer.next()) {
          assertEquals(position, entry.position());
          assertEquals(position <= 2 ? 1 : 2, entry.epoch());
          assertEquals(position == 3, entry.isSentinel());
          assertEquals(position == 3 ? 0 : 1, entry.batchCount());
          assertEquals(position < 3 ? 1 : position == 3 ? 0 : 2, entry.generation()); // closing the first writer flushed its own
          assertTrue(entry.bytes() > 0);
          assertEquals(range(rows, rows + (position == 3 ? 0 : 10)), f.ids(entry));
          assertEquals(position == 3 ? List.of() : SCHEMA.getFields(), entry.schema().getFields());
          assertThrows(InvalidArgumentException.class, () -> entry.batch(entry.batchCount(), f.allocator));
          assertThrows(InvalidArgumentException.class, () -> entry.batch(-1, f.allocator));
          rows += entry.rows();
        }
      }
      assertNull(tailer.next());
      assertNull(tailer.next(LONG));
      assertNull(tailer.nextAsync().join());
      assertEquals(7, tailer.position());
    }
    try (Tailer tailer = f.tailer()) {
      List<Long> positions = new ArrayList<>();
      for (Entry entry : tailer) {
        try (entry) {
          positions.add(entry.position());
        }
      }
      assertEquals(range(1, 7), positions);
    }
    try (Tailer tailer = f.session.openTailer(f.root(), SHARD, TailerOptions.from(2))) {
      assertEquals(range(2, 7), tailer.stream().map(ReaderBehaviours::positionOf).toList());
    }
    try (Tailer tailer = f.tailer()) {
      List<CompletableFuture<Entry>> entries = Stream.generate(tailer::nextAsync).limit(7).toList();
      assertEquals(range(1, 7), entries.stream().limit(6).map(entry -> positionOf(entry.join())).toList());
      assertNull(entries.get(6).join());
    }
  }

  private static long positionOf(Entry entry) {
    try (entry) {
      return entry.position();
    }
  }

  void tailFollow(Fixture f) throws Exception {
    try (Writer writer = f.writer();
        Tailer tailer = f.follower()) {
      f.put(writer, 0, 10);
      assertEquals(1, positionOf(tailer.next()));
      CompletableFuture<Long> waiting = new CompletableFuture<>();
      Thread.startVirtualThread(() -> waiting.complete(positionOf(tailer.next())));
      CompletableFuture<Long> later = waiting.thenApply(position -> position);
      assertFalse(later.isDone());
      f.put(writer, 10, 10);
      assertEquals(2, waiting.get(30, TimeUnit.SECONDS));
      CompletableFuture<Entry> next = tailer.nextAsync();
      f.put(writer, 20, 10);
      assertEquals(3, positionOf(next.get(30, TimeUnit.SECONDS)));
    }
  }

  void tailSeek(Fixture f) throws IOException {
    fill(f);
    try (Tailer tailer = f.tailer()) {
      assertEquals(1, tailer.firstPosition());
      assertEquals(7, tailer.nextPosition());
      assertEquals(1, tailer.firstPositionAsync().join());
      assertEquals(7, tailer.nextPosition(LONG));
      tailer.seek(5);
      assertEquals(5, tailer.position());
      assertEquals(5, positionOf(tailer.next()));
      assertEquals(2, positionOf(tailer.read(2)));
      assertEquals(4, positionOf(tailer.readAsync(4).join()));
      assertEquals(6, positionOf(tailer.next())); // reading does not move it
      NotFoundException notYet = assertThrows(NotFoundException.class, () -> tailer.read(7, LONG));
      assertEquals(7, notYet.number("position").orElse(7));
      assertInstanceOf(NotFoundException.class, failure(tailer.readAsync(7)));
      seekWhileOneWaits(f);
      age(f);
      assertEquals(5, f.session.trim(f.root(), SHARD, 4, TrimOptions.defaults().withTrimAge(Duration.ofMinutes(1))));
      TrimmedException trimmed = assertThrows(TrimmedException.class, () -> tailer.read(2));
      assertEquals(5, trimmed.firstPosition());
      tailer.seek(1);
      assertEquals(5, assertThrows(TrimmedException.class, tailer::next).firstPosition());
      assertEquals(5, assertInstanceOf(TrimmedException.class, failure(tailer.nextAsync())).firstPosition());
      tailer.seek(0);
      assertEquals(5, positionOf(tailer.next()));
    }
  }

  /** What an abandoned read fetches after all is not what comes after a seek. */
  private static void seekWhileOneWaits(Fixture f) {
    try (Tailer tailer = f.follower()) {
      tailer.seek(7);
      CompletableFuture<Entry> abandoned = tailer.nextAsync();
      abandoned.cancel(false);
      tailer.seek(2);
      assertEquals(2, positionOf(tailer.next(LONG)));
      assertEquals(3, positionOf(tailer.nextAsync().join()));
      CompletableFuture<Entry> waiting;
      tailer.seek(7);
      waiting = tailer.nextAsync();
      tailer.seek(4);
      assertEquals(4, positionOf(waiting.join()));
      assertEquals(5, positionOf(tailer.next(LONG)));
    }
  }

  /** Makes all files of the shard old: a day, by their times. */
  private static void age(Fixture f) throws IOException {
    try (Stream<Path> files = Files.walk(f.directory)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Files.setLastModifiedTime(file, FileTime.from(Instant.now().minus(Duration.ofDays(1))));
      }
    }
  }

  void tailInterrupt(Fixture f) throws Exception {
    try (Writer writer = f.writer();
        Tailer tailer = f.follower()) {
      f.put(writer, 0, 1);
      assertEquals(1, positionOf(tailer.next()));
      CompletableFuture<WeirException> woken = new CompletableFuture<>();
      Thread.ofPlatform().start(() -> woken.complete(assertThrows(WeirException.class, tailer::next)));
      tailer.interrupt(); // also if it does not wait yet
      assertInstanceOf(CancelledException.class, woken.get(30, TimeUnit.SECONDS));
      CompletableFuture<Entry> waiting = tailer.nextAsync();
      tailer.interrupt();
      assertInstanceOf(CancelledException.class, failure(waiting));
      CompletableFuture<Entry> elsewhere = tailer.nextAsync(); // also if it was sent elsewhere since
      tailer.seek(2);
      tailer.interrupt();
      assertInstanceOf(CancelledException.class, failure(elsewhere));
      tailer.interrupt();
      assertThrows(CancelledException.class, tailer::next);
      f.put(writer, 1, 1);
      assertEquals(2, positionOf(tailer.next()));
    }
  }

  void tailStream(Fixture f) {
    fill(f);
    try (Tailer tailer = f.tailer()) {
      assertEquals(range(0, 50), f.drain(tailer.reader(f.allocator)));
    }
    try (Tailer tailer = f.session.openTailer(f.root(), SHARD, TailerOptions.from(4))) {
      assertEquals(range(20, 50), f.drain(tailer.reader(f.allocator)));
    }
    try (Tailer tailer = f.tailer();
        Entry entry = tailer.next()) {
      assertEquals(range(0, 10), f.drain(entry.reader(f.allocator)));
    }
  }

  void tailSubscribe(Fixture f) throws Exception {
    fill(f);
    try (Tailer tailer = f.tailer()) { // to the end
      Collector collector = new Collector(Long.MAX_VALUE);
      tailer.publisher().subscribe(collector);
      assertEquals("complete", collector.ended.get(30, TimeUnit.SECONDS));
      assertEquals(range(1, 7), List.copyOf(collector.positions));
    }
    try (Writer writer = f.writer();
        Tailer tailer = f.follower()) { // within the credit; position 7 is the writer's sentinel
      Collector collector = new Collector(2);
      tailer.publisher().subscribe(collector);
      eventually(2, collector.positions::size, "entries");
      f.put(writer, 50, 1);
      assertEquals(range(1, 3), List.copyOf(collector.positions));
      collector.subscription.request(6);
      eventually(8, collector.positions::size, "entries");
      collector.subscription.request(5);
      f.put(writer, 51, 1);
      eventually(9, collector.positions::size, "entries");
      collector.subscription.cancel();
      collector.subscription.cancel();
      collector.subscription.request(5);
      f.put(writer, 52, 1);
      eventually(0, () -> tailer.subscribed.get() ? 1 : 0, "subscribers");
      assertFalse(collector.ended.isDone()); // who cancels is told no more
      assertEquals(range(1, 10), List.copyOf(collector.positions));
      try (Entry next = tailer.next(LONG)) { // the tailer goes on where the subscription ended
        assertEquals(10, next.position());
      }
    }
  }

  void append(Fixture f) {
    try (Appender appender = f.session.openAppender(f.root(), SHARD, SCHEMA, AppenderOptions.defaults().withFsync(false))) {
      assertEquals(1, appender.epoch());
      appender.checkFenced();
      try (VectorSchemaRoot root = f.batch(0, 10)) {
        assertEquals(1, appender.append(root));
      }
      try (VectorSchemaRoot root = f.batch(10, 10)) {
        assertEquals(2, appender.append(root, LONG));
      }
      try (VectorSchemaRoot root = f.batch(20, 10)) {
        assertEquals(3, appender.appendAsync(root).join());
      }
      try (VectorSchemaRoot other = f.other()) {
        assertThrows(WeirException.class, () -> appender.append(other));
      }
      try (var array = f.exported(30, 10)) {
        assertEquals(4, appender.append(array));
      }
      try (Appender successor = f.session.openAppenderAsync(f.root(), SHARD, SCHEMA, AppenderOptions.defaults().withFsync(false)).join()) {
        assertEquals(2, successor.epoch());
        assertThrows(FencedException.class, () -> appender.checkFenced(LONG));
        assertInstanceOf(FencedException.class, failure(appender.checkFencedAsync()));
        try (VectorSchemaRoot root = f.batch(999, 1)) {
          assertThrows(FencedException.class, () -> appender.append(root));
        }
      }
    }
    assertEquals(range(0, 40), f.log());
  }

  void shardAdmin(Fixture f) throws IOException {
    UUID other = UUID.fromString("00000000-1111-4222-8333-444444444444");
    assertEquals(List.of(), f.session.shards(f.root()));
    List<ShardField> fields = List.of(new ShardField("bucket", new byte[] {1, 2}), new ShardField("region", new byte[0]));
    f.session.init(f.root(), SHARD, 7, fields);
    f.session.initAsync(f.root(), other, 0, List.of()).join();
    assertThrows(AlreadyExistsException.class, () -> f.session.init(f.root(), SHARD, 7, fields, LONG));
    assertEquals(List.of(other, SHARD), f.session.shards(f.root()));
    assertEquals(List.of(other, SHARD), f.session.shards(f.root(), LONG));
    assertEquals(List.of(other, SHARD), f.session.shardsAsync(f.root()).join());

    Manifest manifest = f.session.manifest(f.root(), SHARD);
    assertEquals(new Manifest(1, 0, 0, 0, 1, false, 7, 0, manifest.fields()), manifest);
    assertEquals(Set.copyOf(fields), Set.copyOf(manifest.fields()));
    assertThrows(NotFoundException.class, () -> f.session.manifest(f.root(), UUID.randomUUID(), LONG));

    fill(f);
    assertEquals(2, f.session.manifestAsync(f.root(), SHARD).join().writerEpoch());
    try (Writer writer = f.writer()) {
      assertEquals(3, writer.manifest().writerEpoch());
      f.session.seal(f.root(), SHARD);
      f.session.sealAsync(f.root(), SHARD).join();
      assertTrue(f.session.manifest(f.root(), SHARD).sealed());
      assertThrows(WeirException.class, () -> f.put(writer, 999, 1));
      assertThrows(WeirException.class, writer::close);
    }
    assertThrows(SealedException.class, f::writer);
    assertInstanceOf(SealedException.class, failure(f.session.openWriterAsync(f.root(), SHARD, SCHEMA, quick())));
    f.session.unseal(f.root(), SHARD);
    f.session.unsealAsync(f.root(), SHARD).join();
    f.session.unseal(f.root(), SHARD, LONG);
    try (Writer writer = f.session.openWriterAsync(f.root(), SHARD, SCHEMA, quick()).join()) {
      f.put(writer, 50, 10);
    }
    assertEquals(range(0, 60), f.log());

    assertEquals(1, f.session.trim(f.root(), SHARD, 4, TrimOptions.defaults())); // nothing is a day old
    age(f);
    TrimOptions minute = TrimOptions.defaults().withTrimAge(Duration.ofMinutes(1));
    assertEquals(3, f.session.trim(f.root(), SHARD, 2, minute, LONG));
    assertEquals(5, f.session.trimAsync(f.root(), SHARD, 4, minute).join());
    try (Tailer tailer = f.tailer()) {
      assertEquals(5, tailer.firstPosition());
    }
  }

  /** The vectors of docs/format.md, as the C tests have them. */
  void routing(Fixture f) {
    try (IntVector ints = new IntVector("i", f.allocator);
        IntVector nulls = new IntVector("n", f.allocator);
        Float4Vector floats = new Float4Vector("f", f.allocator);
        Float8Vector doubles = new Float8Vector("d", f.allocator);
        BitVector bits = new BitVector("b", f.allocator);
        VarCharVector texts = new VarCharVector("t", f.allocator);
        ListVector lists = new ListVector("l", f.allocator, FieldType.nullable(new ArrowType.List()), null)) {
      for (int i = 0; i < 3; i++) {
        ints.setSafe(i, i + 1);
        nulls.setSafe(i, i + 1);
      }
      nulls.setNull(1);
      ints.setValueCount(3);
      nulls.setValueCount(3);
      floats.setSafe(0, 1.25f);
      floats.setValueCount(1);
      doubles.setSafe(0, 1.25);
      doubles.setValueCount(1);
      bits.setSafe(0, 1);
      bits.setValueCount(1);
      texts.setSafe(0, "a".getBytes());
      texts.setSafe(1, "b".getBytes());
      texts.setValueCount(2);
      assertArrayEquals(new int[] {2, 7, 1}, Weir.bucketOf(ints, 8));
      assertArrayEquals(new int[] {2, 0, 1}, Weir.bucketOf(nulls, 8));
      assertArrayEquals(new int[] {0}, Weir.bucketOf(floats, 8));
      assertArrayEquals(new int[] {0}, Weir.bucketOf(doubles, 8));
      assertArrayEquals(new int[] {2}, Weir.bucketOf(bits, 8));
      assertArrayEquals(new int[] {1, 5}, Weir.bucketOf(texts, 8));
      assertThrows(InvalidArgumentException.class, () -> Weir.bucketOf(ints, 0));
      assertThrows(InvalidArgumentException.class, () -> Weir.bucketOf(ints, 1025));
      lists.addOrGetVector(FieldType.nullable(new ArrowType.Int(32, true)));
      lists.setValueCount(1);
      assertThrows(WeirException.class, () -> Weir.bucketOf(lists, 8));
    }
  }

  void metrics(Fixture f) {
    try (Writer writer = f.writer()) {
      f.put(writer, 0, 10);
      f.put(writer, 10, 10);
      String text = f.session.metrics();
      assertEquals(List.of("weir_writer_puts_total 2"), text.lines().filter(line -> line.startsWith("weir_writer_puts_total")).toList(), text);
      assertEquals(2, writer.stats().puts());
      assertEquals(20, writer.stats().rows());
      assertEquals(2, writer.stats().entries());
      assertEquals(64 << 20, writer.memory().limitBytes());
    }
  }

  /** PITFALLS X11: also one that throws. */
  void logSink(Fixture f) {
    record Message(LogLevel level, String target, String text) {}
    ConcurrentLinkedQueue<Message> messages = new ConcurrentLinkedQueue<>();
    try {
      Weir.logTo((level, target, text) -> {
        messages.add(new Message(level, target, text));
        throw new IllegalStateException("thrown into the library");
      });
      f.writer().close(); // a claim is told
      eventuallyAtLeast(1, messages::size, "messages");
      assertTrue(messages.stream().anyMatch(message -> message.target.startsWith("weir") && !message.text.isEmpty()), messages.toString());
      Weir.logLevel(LogLevel.ERROR);
      int before = messages.size();
      f.writer().close();
      assertEquals(before, messages.size());
      Weir.logLevel(LogLevel.TRACE);
      f.writer().close();
      eventuallyAtLeast(before + 1, messages::size, "messages");
    } finally {
      Weir.logTo(null);
      Weir.logLevel(LogLevel.INFO);
    }
    eventually(0, Logging::sinks, "sinks that the library holds");
    int before = messages.size();
    f.writer().close();
    assertEquals(before, messages.size());
  }
}
