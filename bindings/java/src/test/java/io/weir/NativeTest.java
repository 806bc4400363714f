package io.weir;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.StructLayout;
import java.lang.reflect.Field;
import java.lang.reflect.RecordComponent;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** That the binding sees the header as the C compiler does, and all of it. */
class NativeTest {
  private static final Path HEADER = ConformanceTest.Repository.file("include/weir.h");

  private static String run(List<String> command) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertTrue(process.waitFor(60, TimeUnit.SECONDS));
    assertEquals(0, process.exitValue(), String.join(" ", command) + ":\n" + output);
    return output;
  }

  /** Never rewritten here: `make java-native` does that. */
  @Test
  void theGeneratedSourceIsTheHeaders() throws Exception {
    Path java = Path.of(System.getProperty("java.home"), "bin", "java");
    String generated = run(List.of(java.toString(), "tools/NativeGenerator.java", HEADER.toString()));
    assertEquals(generated, Files.readString(Path.of("src/main/java/io/weir/Native.java")));
  }

  /** The layouts are asserted by a C compiler: every struct's size and every field's offset and size. And a wrong one is caught. */
  @Test
  void theLayoutsAreTheCompilers(@TempDir Path directory) throws Exception {
    List<String> asserts = new ArrayList<>();
    int structs = 0;
    for (Class<?> type : Native.class.getDeclaredClasses()) {
      if (Arrays.stream(type.getDeclaredFields()).noneMatch(field -> field.getName().equals("LAYOUT"))) {
        continue;
      }
      structs++;
      String name = type.getSimpleName();
      StructLayout layout = (StructLayout) field(type, "LAYOUT").get(null);
      asserts.add("sizeof(" + name + ") == " + layout.byteSize());
      long offset = 0;
      for (MemoryLayout member : layout.memberLayouts()) {
        if (member.name().isPresent()) {
          String memberName = member.name().get();
          assertEquals(offset, field(type, memberName).getLong(null));
          asserts.add("offsetof(" + name + ", " + memberName + ") == " + offset);
          asserts.add("sizeof(((" + name + " *)0)->" + memberName + ") == " + member.byteSize());
        }
        offset += member.byteSize();
      }
    }
    assertTrue(structs >= 15, "structs: " + structs);
    compile(directory, asserts);
    try {
      compile(directory, List.of("sizeof(WeirAck) == 25"));
    } catch (AssertionError caught) {
      return;
    }
    throw new AssertionError("the compiler accepts anything");
  }

  private static Field field(Class<?> type, String name) throws ReflectiveOperationException {
    return type.getDeclaredField(name);
  }

  private static void compile(Path directory, List<String> asserts) throws Exception {
    StringBuilder source = new StringBuilder("#include \"weir.h\"\n");
    for (String condition : asserts) {
      source.append("_Static_assert(").append(condition).append(", \"").append(condition).append("\");\n");
    }
    Path file = Files.writeString(directory.resolve("layouts.c"), source);
    String cc = System.getProperty("weir.cc", "");
    run(List.of(cc.isEmpty() ? "cc" : cc, "-std=c11", "-fsyntax-only", "-I" + HEADER.getParent(), file.toString()));
  }

  /** Every function of the header is there, and every one is called by the binding. */
  @Test
  void theWholeHeaderIsCovered() throws IOException {
    Set<String> functions = new TreeSet<>();
    Matcher names = Pattern.compile("\\b(weir_\\w+)\\(").matcher(Files.readString(HEADER).replaceAll("(?s)/\\*.*?\\*/", ""));
    while (names.find()) {
      functions.add(names.group(1));
    }
    assertTrue(functions.size() > 100);
    StringBuilder binding = new StringBuilder();
    try (Stream<Path> files = Files.list(Path.of("src/main/java/io/weir"))) {
      for (Path file : files.filter(file -> !file.endsWith("Native.java")).toList()) {
        binding.append(Files.readString(file));
      }
    }
    // What a queue that is waited for, and never polled, has no use for; constants that the binding has as enums; what a spill says of its batches.
    Set<String> unused = Set.of("weir_queue_fd", "weir_queue_options_init", "weir_error_code", "weir_status_name", "weir_batch_schema", "weir_batch_rows");
    List<String> missing =
        functions.stream().filter(name -> !unused.contains(name) && !binding.toString().matches("(?s).*\\b" + name + "\\b.*")).toList();
    assertEquals(List.of(), missing);
  }

  @Test
  void everyStatusHasItsException() {
    List<String> statuses =
        Arrays.stream(Native.class.getDeclaredFields()).map(Field::getName).filter(name -> name.startsWith("WEIR_STATUS_")).toList();
    assertEquals(Status.values().length - 1, statuses.size());
    Set<Class<?>> types = new HashSet<>();
    for (String name : statuses) {
      Status status = Status.valueOf(name.substring("WEIR_STATUS_".length()));
      assertEquals(status, Status.of(status.code()));
      WeirException e = WeirException.of(status, "text");
      assertEquals(status, e.status());
      assertEquals("text", e.getMessage());
      if (status != Status.OK) {
        assertTrue(types.add(e.getClass()), "two statuses have " + e.getClass());
        assertEquals(e.getClass(), e.rethrown().getClass());
        assertEquals(e, e.rethrown().getCause());
      }
    }
    assertEquals(Status.UNKNOWN, Status.of(999));
    assertEquals(999, new WeirException(new Failure(999, "new", Action.NONE, Map.of(), null)).code());
  }

  /** The C ABI finds details by name: the binding has to know them all. */
  @Test
  void everyDetailIsAskedFor() throws IOException {
    Set<String> numbers = new TreeSet<>();
    Set<String> texts = new TreeSet<>();
    Pattern call = Pattern.compile("with_(u64|str)\\(\\s*\"(\\w+)\"");
    try (Stream<Path> files = Files.walk(ConformanceTest.Repository.file("src"))) {
      for (Path file : files.filter(file -> file.toString().endsWith(".rs") && !file.toString().contains("test")).toList()) {
        Matcher matcher = call.matcher(Files.readString(file));
        while (matcher.find()) {
          (matcher.group(1).equals("u64") ? numbers : texts).add(matcher.group(2));
        }
      }
    }
    assertTrue(numbers.size() >= 10 && texts.size() >= 5);
    numbers.removeAll(Failure.NUMBERS);
    texts.removeAll(Failure.TEXTS);
    assertEquals(Set.of(), numbers);
    assertEquals(Set.of(), texts);
  }

  @Test
  void recordsHaveAllNumbersOfTheirStructs() {
    covers(WriterStats.class, Native.WeirWriterStats.LAYOUT);
    covers(MemTableStats.class, Native.WeirMemTableStats.LAYOUT);
    covers(WriterMemory.class, Native.WeirWriterMemory.LAYOUT);
    covers(SessionMemory.class, Native.WeirSessionMemory.LAYOUT);
    covers(SpillStats.class, Native.WeirSpillStats.LAYOUT);
    covers(CacheStats.class, Native.WeirCacheStats.LAYOUT);
  }

  private static void covers(Class<? extends Record> type, StructLayout layout) {
    List<String> fields =
        layout.memberLayouts().stream().flatMap(member -> member.name().stream()).filter(name -> !name.matches("struct_size|reserved")).toList();
    assertEquals(fields, Arrays.stream(type.getRecordComponents()).map(RecordComponent::getName).map(Records::fieldName).toList());
  }

  /** Every option of the header can be set. */
  @Test
  void optionsHaveAllFieldsOfTheirStructs() throws IOException {
    for (String name : List.of("Writer", "Appender", "Tailer", "Trim", "Scan", "Snapshot", "SpillStore", "Spill", "SpillRead", "Cache")) {
      StructLayout layout;
      try {
        layout = (StructLayout) field(Class.forName("io.weir.Native$Weir" + name + "Options"), "LAYOUT").get(null);
      } catch (ReflectiveOperationException e) {
        throw new AssertionError(e);
      }
      String source = Files.readString(Path.of("src/main/java/io/weir/" + name + "Options.java"));
      List<String> missing =
          layout.memberLayouts().stream()
              .flatMap(member -> member.name().stream())
              .filter(field -> !field.matches("struct_size|reserved\\d*|\\w+_len") && !source.matches("(?s).*(set|setBytes)\\(\"" + field + "\".*|.*Options\\." + field + ",.*") && !field.equals("backend"))
              .toList();
      assertEquals(List.of(), missing);
    }
  }
}
