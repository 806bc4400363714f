import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Writes {@code Native.java}, the binding's view of {@code include/weir.h}: constants, struct layouts, and a typed method per function.
 *
 * <pre>java NativeGenerator.java weir.h [Native.java]      (to standard output without the second)</pre>
 *
 * It reads what cbindgen writes, not C at large, and stops with an error at anything that it does not know: nothing of the header is left
 * out silently.
 */
public final class NativeGenerator {
  /**
   * Functions that neither block, nor log, nor call back, nor take long: their calls skip the transition that lets the collector run
   * meanwhile. Everything else must not be here: a collection would wait for it.
   */
  private static final Set<String> TRIVIAL =
      Set.of(
          "weir_abi_version", "weir_version", "weir_status_name", "weir_live_handles",
          "weir_error_code", "weir_error_message", "weir_error_action", "weir_buffer_data", "weir_buffer_len",
          "weir_queue_completion", "weir_writer_epoch", "weir_appender_epoch",
          "weir_entry_position", "weir_entry_epoch", "weir_entry_generation", "weir_entry_is_sentinel", "weir_entry_rows",
          "weir_entry_bytes", "weir_entry_batch_count", "weir_entry_schema_id",
          "weir_manifest_version", "weir_manifest_writer_epoch", "weir_manifest_replay_after", "weir_manifest_last_seen",
          "weir_manifest_current_generation", "weir_manifest_is_sealed", "weir_manifest_shard_spec_id", "weir_manifest_sstable_count",
          "weir_manifest_field_count", "weir_spill_store_cap_bytes", "weir_spill_store_used_bytes", "weir_spill_len",
          "weir_spill_stored_bytes", "weir_spill_rows", "weir_spill_batch_count", "weir_cache_value_kind",
          "weir_snapshot_cut_position", "weir_batch_rows", "weir_batch_states");

  private record Member(String type, String name) {}

  private record Function(String returns, String name, List<Member> parameters, String declaration) {}

  private final Map<String, Long> constants = new LinkedHashMap<>();
  private final Map<String, Long> numbers = new LinkedHashMap<>();
  private final Map<String, List<Member>> structs = new LinkedHashMap<>();
  private final Map<String, List<Member>> callbacks = new LinkedHashMap<>();
  private final List<Function> functions = new ArrayList<>();
  private final Set<String> enums = new TreeSet<>();

  /** Those of the enums that are bytes. */
  private final Set<String> bytes = new TreeSet<>();

  private final Set<String> opaque = new TreeSet<>();
  private final StringBuilder out = new StringBuilder();

  private NativeGenerator(String header) {
    parse(header);
  }

  public static void main(String[] args) throws IOException {
    if (args.length < 1 || args.length > 2) {
      System.err.println("usage: java NativeGenerator.java weir.h [Native.java]");
      System.exit(2);
    }
    String text = new NativeGenerator(Files.readString(Path.of(args[0]))).generate();
    if (args.length == 2) {
      Files.writeString(Path.of(args[1]), text);
    } else {
      System.out.print(text);
    }
  }

  // ---- Reading ----

  private void parse(String header) {
    String text = header.replaceAll("(?s)/\\*.*?\\*/", " ").replaceAll("//[^\n]*", "");
    int arrow = text.indexOf("#define WEIR_VERSION_MAJOR");
    if (arrow < 0) {
      throw new IllegalStateException("the header does not begin as expected");
    }
    text = text.substring(arrow); // Arrow's own structs are arrow-java's business
    Matcher define = Pattern.compile("(?m)^#define (WEIR_(?:VERSION_\\w+|ABI_VERSION)) (\\d+)$").matcher(text);
    while (define.find()) {
      constants.put(define.group(1), Long.parseLong(define.group(2)));
    }
    Matcher unknown = Pattern.compile("(?m)^#define (WEIR_\\w+) UINT64_MAX$").matcher(text);
    while (unknown.find()) {
      numbers.put(unknown.group(1), -1L);
    }
    text = text.replaceAll("(?m)\\\\\n", " ").replaceAll("(?m)^#.*$", "").replaceAll("extern \"C\" \\{", " ");
    Matcher small = Pattern.compile("enum (\\w+)\\s*:\\s*uint8_t").matcher(text);
    while (small.find()) {
      bytes.add(small.group(1));
    }
    text = text.replaceAll(":\\s*(int32_t|uint8_t)\\s*\\{", "{");
    // An enum's own typedefs come after it, under several preprocessor branches; all of them say of what type it is.
    text = text.replaceAll("typedef (enum \\w+|int32_t|uint8_t) \\w+;", " ");
    for (String item : split(text)) {
      parseItem(item.strip().replaceAll("\\s+", " "));
    }
  }

  /** Cuts at semicolons outside of braces. */
  private static List<String> split(String text) {
    List<String> items = new ArrayList<>();
    int depth = 0;
    int start = 0;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      depth += c == '{' ? 1 : c == '}' ? -1 : 0;
      if (depth < 0) { // the brace that ends extern "C"
        depth = 0;
        start = i + 1;
      }
      if (c == ';' && depth == 0) {
        items.add(text.substring(start, i));
        start = i + 1;
      }
    }
    if (!text.substring(start).isBlank()) {
      throw new IllegalStateException("after the last declaration: " + text.substring(start).strip());
    }
    return items;
  }

  private void parseItem(String item) {
    if (item.isEmpty()) {
      return;
    }
    Matcher m = Pattern.compile("enum (\\w+) ?\\{(.*)\\}").matcher(item);
    if (m.matches()) {
      enums.add(m.group(1));
      for (String value : m.group(2).split(",")) {
        if (!value.isBlank()) {
          String[] parts = value.strip().split("\\s*=\\s*");
          constants.put(parts[0], Long.decode(parts[1]));
        }
      }
      return;
    }
    m = Pattern.compile("typedef struct \\{(.*)\\} (\\w+)").matcher(item);
    if (m.matches()) {
      List<Member> members = new ArrayList<>();
      for (String member : m.group(1).split(";")) {
        if (!member.isBlank()) {
          members.add(field(m.group(2), member.strip()));
        }
      }
      structs.put(m.group(2), members);
      return;
    }
    m = Pattern.compile("typedef struct (\\w+) (\\w+)").matcher(item);
    if (m.matches()) {
      opaque.add(m.group(2));
      return;
    }
    m = Pattern.compile("typedef (.+?) ?\\(\\*(\\w+)\\)\\((.*)\\)").matcher(item);
    if (m.matches()) {
      List<Member> members = new ArrayList<>();
      members.add(new Member(m.group(1), "return"));
      members.addAll(parameters(m.group(3)));
      callbacks.put(m.group(2), members);
      return;
    }
    m = Pattern.compile("(.+?)(weir_\\w+)\\((.*)\\)").matcher(item);
    if (m.matches()) {
      functions.add(new Function(m.group(1).strip(), m.group(2), parameters(m.group(3)), item));
      return;
    }
    throw new IllegalStateException("not understood: " + item);
  }

  /** A field; one that is a function gets a type of its own, called like struct and field. */
  private Member field(String struct, String text) {
    Matcher m = Pattern.compile("(.+?) ?\\(\\*(\\w+)\\)\\((.*)\\)").matcher(text);
    if (!m.matches()) {
      return member(text);
    }
    List<Member> members = new ArrayList<>();
    members.add(new Member(m.group(1), "return"));
    members.addAll(parameters(m.group(3)));
    String type = struct + "_" + m.group(2);
    callbacks.put(type, members);
    return new Member(type, m.group(2));
  }

  private static List<Member> parameters(String text) {
    List<Member> parameters = new ArrayList<>();
    if (!text.equals("void")) {
      for (String parameter : text.split(",")) {
        parameters.add(member(parameter.strip()));
      }
    }
    return parameters;
  }

  private static Member member(String text) {
    Matcher m = Pattern.compile("(.+?)(\\w+)(\\[\\d+\\])?").matcher(text);
    if (!m.matches()) {
      throw new IllegalStateException("not understood: " + text);
    }
    String array = m.group(3) == null ? "" : m.group(3);
    return new Member(m.group(1).strip() + array, m.group(2));
  }

  // ---- Types ----

  private String layout(String type) {
    Matcher array = Pattern.compile("(.+)\\[(\\d+)\\]").matcher(type);
    if (array.matches()) {
      return "MemoryLayout.sequenceLayout(" + array.group(2) + ", " + layout(array.group(1)) + ")";
    }
    if (type.endsWith("*") || callbacks.containsKey(type)) {
      return "ADDRESS";
    }
    if (structs.containsKey(type)) {
      return type + ".LAYOUT";
    }
    if (enums.contains(type)) {
      return bytes.contains(type) ? "JAVA_BYTE" : "JAVA_INT";
    }
    return switch (type) {
      case "bool" -> "JAVA_BOOLEAN";
      case "uint8_t", "int8_t" -> "JAVA_BYTE";
      case "int", "int32_t", "uint32_t" -> "JAVA_INT";
      case "int64_t", "uint64_t", "size_t" -> "JAVA_LONG";
      case "float" -> "JAVA_FLOAT";
      case "double" -> "JAVA_DOUBLE";
      default -> throw new IllegalStateException("unknown type: " + type);
    };
  }

  private String carrier(String type) {
    return switch (layout(type)) {
      case "JAVA_BOOLEAN" -> "boolean";
      case "JAVA_BYTE" -> "byte";
      case "JAVA_INT" -> "int";
      case "JAVA_LONG" -> "long";
      case "JAVA_FLOAT" -> "float";
      case "JAVA_DOUBLE" -> "double";
      default -> "MemorySegment";
    };
  }

  private long size(String type) {
    Matcher array = Pattern.compile("(.+)\\[(\\d+)\\]").matcher(type);
    if (array.matches()) {
      return Long.parseLong(array.group(2)) * size(array.group(1));
    }
    return switch (layout(type)) {
      case "JAVA_BOOLEAN", "JAVA_BYTE" -> 1;
      case "JAVA_INT", "JAVA_FLOAT" -> 4;
      case "JAVA_LONG", "JAVA_DOUBLE", "ADDRESS" -> 8;
      default -> sizeOfStruct(type);
    };
  }

  private long alignment(String type) {
    if (type.endsWith("]")) {
      return alignment(type.substring(0, type.indexOf('[')));
    }
    return structs.containsKey(type) ? structs.get(type).stream().mapToLong(m -> alignment(m.type)).max().orElse(1) : size(type);
  }

  private long sizeOfStruct(String name) {
    long offset = 0;
    for (Member member : structs.get(name)) {
      offset = align(offset, alignment(member.type)) + size(member.type);
    }
    return align(offset, alignment(name));
  }

  private static long align(long offset, long alignment) {
    return (offset + alignment - 1) / alignment * alignment;
  }

  // ---- Writing ----

  private String generate() {
    line("// Generated from include/weir.h by tools/NativeGenerator.java. Do not edit: run `make java-native`.");
    line("package io.weir;");
    line("");
    line("import static java.lang.foreign.ValueLayout.ADDRESS;");
    for (String layout : List.of("JAVA_BOOLEAN", "JAVA_BYTE", "JAVA_INT", "JAVA_LONG")) {
      line("import static java.lang.foreign.ValueLayout." + layout + ";");
    }
    line("");
    line("import java.lang.foreign.FunctionDescriptor;");
    line("import java.lang.foreign.Linker;");
    line("import java.lang.foreign.MemoryLayout;");
    line("import java.lang.foreign.MemoryLayout.PathElement;");
    line("import java.lang.foreign.MemorySegment;");
    line("import java.lang.foreign.SegmentAllocator;");
    line("import java.lang.foreign.StructLayout;");
    line("import java.lang.invoke.MethodHandle;");
    line("");
    line("/** What include/weir.h declares, one for one: constants, layouts, functions. Nothing here checks anything. */");
    line("@SuppressWarnings({\"unused\", \"checkstyle:all\"})");
    line("final class Native {");
    line("  private Native() {}");
    line("");
    constants.forEach((name, value) -> line("  static final int " + name + " = " + value + ";"));
    numbers.forEach((name, value) -> line("  static final long " + name + " = " + value + "L;"));
    structs.forEach(this::struct);
    callbacks.forEach(this::callback);
    functions.forEach(this::function);
    line("");
    line("  private static MethodHandle handle(String name, FunctionDescriptor descriptor, Linker.Option... options) {");
    line("    return Linker.nativeLinker().downcallHandle(NativeLibrary.symbol(name), descriptor, options);");
    line("  }");
    line("");
    line("  /** A call itself throws nothing but what the virtual machine does, such as a stack overflow. */");
    line("  private static RuntimeException unexpected(Throwable thrown) {");
    line("    if (thrown instanceof Error error) {");
    line("      throw error;");
    line("    }");
    line("    return thrown instanceof RuntimeException e ? e : new IllegalStateException(thrown);");
    line("  }");
    line("}");
    return out.toString();
  }

  private void struct(String name, List<Member> members) {
    line("");
    line("  /** {@code " + name + "} */");
    line("  static final class " + name + " {");
    line("    private " + name + "() {}");
    line("");
    line("    static final StructLayout LAYOUT =");
    line("        MemoryLayout.structLayout(");
    long offset = 0;
    List<String> parts = new ArrayList<>();
    for (Member member : members) {
      long start = align(offset, alignment(member.type));
      if (start > offset) {
        parts.add("MemoryLayout.paddingLayout(" + (start - offset) + ")");
      }
      parts.add(layout(member.type) + ".withName(\"" + member.name + "\")");
      offset = start + size(member.type);
    }
    long end = align(offset, alignment(name));
    if (end > offset) {
      parts.add("MemoryLayout.paddingLayout(" + (end - offset) + ")");
    }
    line("            " + String.join(",\n            ", parts) + ")");
    line("            .withName(\"" + name + "\");");
    line("    static final long SIZE = LAYOUT.byteSize();");
    for (Member member : members) {
      line("    static final long " + member.name + " = LAYOUT.byteOffset(PathElement.groupElement(\"" + member.name + "\"));");
    }
    line("  }");
  }

  private void callback(String name, List<Member> members) {
    line("");
    line("  /** {@code " + name + "} */");
    line("  static final FunctionDescriptor " + name + " =");
    line("      " + descriptor(members.getFirst().type, members.subList(1, members.size())) + ";");
  }

  private String descriptor(String returns, List<Member> parameters) {
    List<String> layouts = new ArrayList<>();
    if (!returns.equals("void")) {
      layouts.add(layout(returns));
    }
    parameters.forEach(parameter -> layouts.add(layout(parameter.type)));
    return "FunctionDescriptor." + (returns.equals("void") ? "ofVoid(" : "of(") + String.join(", ", layouts) + ")";
  }

  private void function(Function f) {
    boolean empty = f.returns.equals("void");
    boolean byValue = structs.containsKey(f.returns);
    String type = empty ? "void" : carrier(f.returns);
    List<String> declared = new ArrayList<>();
    List<String> passed = new ArrayList<>();
    if (byValue) {
      declared.add("SegmentAllocator allocator");
      passed.add("allocator");
    }
    for (Member parameter : f.parameters) {
      declared.add(carrier(parameter.type) + " " + parameter.name);
      passed.add(parameter.name);
    }
    line("");
    line("  /** {@code " + f.declaration + "} */");
    line("  static " + type + " " + f.name + "(" + String.join(", ", declared) + ") {");
    line("    try {");
    line("      " + (empty ? "" : "return (" + type + ") ") + f.name + ".HANDLE.invokeExact(" + String.join(", ", passed) + ");");
    line("    } catch (Throwable thrown) {");
    line("      throw unexpected(thrown);");
    line("    }");
    line("  }");
    line("");
    line("  private static final class " + f.name + " {");
    line("    static final MethodHandle HANDLE =");
    String option = TRIVIAL.contains(f.name) ? ", Linker.Option.critical(false)" : "";
    line("        handle(\"" + f.name + "\", " + descriptor(f.returns, f.parameters) + option + ");");
    line("  }");
  }

  private void line(String text) {
    out.append(text).append('\n');
  }
}
