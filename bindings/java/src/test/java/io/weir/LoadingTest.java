package io.weir;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How the native library is found, and refused: each in a process of its own. */
class LoadingTest {
  @TempDir Path directory;

  /** Says what was loaded, twice: a failure must not turn into another one. */
  static final class Child {
    private Child() {}

    public static void main(String[] args) {
      for (int i = 0; i < 2; i++) {
        try {
          if (args.length > 0) {
            NativeLibrary.load(Path.of(args[0]));
          }
          System.out.println(Weir.version() + " from " + NativeLibrary.origin());
        } catch (UnsatisfiedLinkError e) {
          System.out.println("refused: " + e.getMessage());
        }
      }
    }
  }

  private static String library() {
    return Path.of(NativeLibrary.origin()).toString();
  }

  private String run(List<String> options, String... arguments) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
    command.add("--enable-native-access=ALL-UNNAMED");
    command.addAll(options);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Child.class.getName()));
    command.addAll(List.of(arguments));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertTrue(process.waitFor(60, TimeUnit.SECONDS));
    assertEquals(0, process.exitValue(), output);
    // The virtual machine adds warnings of its own.
    List<String> lines = output.lines().filter(line -> line.startsWith("refused: ") || line.contains(" from ") && !line.contains("warning")).toList();
    assertEquals(2, lines.size(), output);
    assertEquals(lines.get(0), lines.get(1));
    return lines.get(0);
  }

  @Test
  void itIsFoundByPathPropertyAndLibraryPath() throws Exception {
    String found = Weir.version() + " from " + library();
    assertEquals(found, run(List.of(), library()));
    assertEquals(found, run(List.of("-Dweir.library.path=" + library())));
    assertEquals(found, run(List.of("-Dweir.library.path=" + Path.of(library()).getParent())));
    assertEquals(found, run(List.of("-Djava.library.path=" + directory + ":" + Path.of(library()).getParent())));
  }

  @Test
  void whatIsMissingIsNamed() throws Exception {
    String nowhere = directory.resolve("nowhere.so").toString();
    assertTrue(run(List.of("-Dweir.library.path=" + nowhere)).contains(nowhere));
    assertTrue(run(List.of("-Dweir.library.path=" + directory)).contains(directory.toString()));
  }

  @Test
  void whatIsNoLibraryIsRefused() throws Exception {
    Path text = Files.writeString(directory.resolve("libweir.so"), "not a library");
    String refusal = run(List.of("-Dweir.library.path=" + text));
    assertTrue(refusal.startsWith("refused: ") && refusal.contains(text.toString()), refusal);
  }

  @Test
  void anotherAbiIsRefused() throws Exception {
    Path source = Files.writeString(directory.resolve("other.c"), "unsigned weir_abi_version(void) { return 999; }\n");
    Path other = directory.resolve("libother.so");
    String cc = System.getProperty("weir.cc", "");
    Process compiler =
        new ProcessBuilder(cc.isEmpty() ? "cc" : cc, "-shared", "-fPIC", "-o", other.toString(), source.toString()).inheritIO().start();
    assertEquals(0, compiler.waitFor());
    String refusal = run(List.of("-Dweir.library.path=" + other));
    assertTrue(refusal.contains("ABI version 999") && refusal.contains(other.toString()), refusal);
    Files.writeString(source, "int nothing;\n");
    assertEquals(0, new ProcessBuilder(cc.isEmpty() ? "cc" : cc, "-shared", "-fPIC", "-o", other.toString(), source.toString()).start().waitFor());
    assertTrue(run(List.of(), other.toString()).contains("weir_abi_version"));
  }
}
