package io.weir;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What holds for a process once, in a process of its own: configuring and shutting down. */
class ProcessTest {
  /** Says what happened, line by line. */
  static final class Child {
    private Child() {}

    private static String outcome(Runnable call) {
      try {
        call.run();
        return "OK";
      } catch (CompletionException e) {
        return ((WeirException) e.getCause()).status().name();
      } catch (WeirException e) {
        return e.status().name();
      }
    }

    /** The native threads of this process with a name like this. */
    private static long threads(String name) throws Exception {
      try (Stream<Path> tasks = Files.list(Path.of("/proc/self/task"))) {
        return tasks.filter(task -> name(task).startsWith(name)).count();
      }
    }

    private static String name(Path task) {
      try {
        return Files.readString(task.resolve("comm"));
      } catch (java.io.IOException gone) {
        return "";
      }
    }

    public static void main(String[] args) throws Exception {
      System.out.println("configure " + outcome(() -> Weir.configure(RuntimeOptions.defaults().withWorkerThreads(1).withThreadName("mine"))));
      System.out.println("configure again " + outcome(() -> Weir.configure(RuntimeOptions.defaults())));
      Session session = Weir.session();
      Writer writer = session.openWriter("memory://shutdown", Fixture.SHARD, Fixture.SCHEMA);
      Tailer tailer = session.openTailer("memory://shutdown", Fixture.SHARD, TailerOptions.follow());
      CompletableFuture<Entry> waiting = tailer.nextAsync();
      boolean linux = Files.isDirectory(Path.of("/proc/self/task"));
      System.out.println("threads " + (!linux || threads("mine") > 0));
      writer.close();
      System.out.println("shutdown " + outcome(() -> Weir.shutdown(Duration.ofSeconds(30))));
      String pending = outcome(() -> waiting.join().close());
      System.out.println("pending " + (pending.equals("CANCELLED") || pending.equals("CLOSED")));
      System.out.println("left " + (linux && threads("mine") > 0));
      String later = outcome(() -> tailer.next(Duration.ofSeconds(30)));
      System.out.println("later " + (later.equals("CANCELLED") || later.equals("CLOSED") ? "true" : later));
      System.out.println("shutdown again " + outcome(() -> Weir.shutdown(Duration.ZERO)));
      tailer.close();
      session.close();
      long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
      while (Weir.liveHandles() != 0 && System.nanoTime() < end) {
        Thread.onSpinWait();
      }
      System.out.println("handles " + Weir.liveHandles());
    }
  }

  @Test
  void configureAndShutdown() throws Exception {
    List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
    command.add("--enable-native-access=ALL-UNNAMED");
    command.add("--add-opens=java.base/java.nio=ALL-UNNAMED");
    command.add("-Dweir.library.path=" + NativeLibrary.origin());
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Child.class.getName()));
    Path output = Files.createTempFile("weir-process-", ".txt");
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output.toFile()).start();
      boolean ended = process.waitFor(120, TimeUnit.SECONDS);
      process.destroyForcibly();
      String text = Files.readString(output, StandardCharsets.UTF_8);
      assertTrue(ended, text);
      assertEquals(0, process.exitValue(), text);
      List<String> said = text.lines().filter(line -> line.matches("(configure|threads|shutdown|pending|left|later|handles) .*")).toList();
      assertEquals(
          List.of(
              "configure OK",
              "configure again ALREADY_EXISTS",
              "threads true",
              "shutdown OK",
              "pending true",
              "left false",
              "later true",
              "shutdown again OK",
              "handles 0"),
          said,
          text);
    } finally {
      Files.delete(output);
    }
  }
}
