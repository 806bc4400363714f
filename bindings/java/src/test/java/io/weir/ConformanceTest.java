package io.weir;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.DynamicContainer.dynamicContainer;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * The behaviours that every binding must show, tests/conformance/behaviours.txt: one method of {@link WriterBehaviours},
 * {@link ReaderBehaviours}, {@link TableBehaviours} or {@link StoreBehaviours} for each, called like it
 * ({@code put-durable}: {@code putDurable}). Each runs on a platform thread and on a virtual one.
 */
class ConformanceTest {
  private static List<String> ids() throws IOException {
    List<String> ids = new ArrayList<>();
    for (String line : Files.readAllLines(Repository.file("tests/conformance/behaviours.txt"))) {
      if (!line.isBlank() && !line.startsWith("#")) {
        ids.add(line.substring(0, line.indexOf(':')));
      }
    }
    return ids;
  }

  private static Map<String, Method> implemented() {
    Map<String, Method> methods = new TreeMap<>();
    for (Class<?> type : List.of(WriterBehaviours.class, ReaderBehaviours.class, TableBehaviours.class, StoreBehaviours.class)) {
      for (Method method : type.getDeclaredMethods()) {
        if (!method.isSynthetic() && !Modifier.isPrivate(method.getModifiers()) && Arrays.equals(method.getParameterTypes(), new Class<?>[] {Fixture.class})) {
          methods.put(method.getName().replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT), method);
        }
      }
    }
    return methods;
  }

  @Test
  void everyBehaviourIsTestedAndNoOther() throws IOException {
    Set<String> expected = new TreeSet<>(ids());
    assertFalse(expected.isEmpty());
    assertEquals(expected, implemented().keySet());
  }

  @TestFactory
  Stream<DynamicNode> behaviours() throws IOException {
    Map<String, Method> methods = implemented();
    return ids().stream()
        .filter(methods::containsKey)
        .map(
            id ->
                dynamicContainer(
                    id,
                    Stream.of(
                        dynamicTest(id + " on a platform thread", () -> run(methods.get(id), Thread.ofPlatform())),
                        dynamicTest(id + " on a virtual thread", () -> run(methods.get(id), Thread.ofVirtual())))));
  }

  private static void run(Method method, Thread.Builder builder) throws Throwable {
    Object owner = method.getDeclaringClass().getDeclaredConstructor().newInstance();
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    Thread thread =
        builder.start(
            () -> {
              try (Fixture fixture = new Fixture()) {
                method.invoke(owner, fixture);
              } catch (InvocationTargetException e) {
                thrown.set(e.getCause());
              } catch (Throwable e) {
                thrown.set(e);
              }
            });
    thread.join();
    if (thrown.get() != null) {
      throw thrown.get();
    }
  }

  /** Where the repository's files are. */
  static final class Repository {
    private Repository() {}

    static Path file(String path) {
      return Path.of("../..").resolve(path); // Maven runs tests in bindings/java
    }
  }
}
