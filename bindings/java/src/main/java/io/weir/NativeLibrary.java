package io.weir;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;

/**
 * Finds and loads the native library, once per process, when it is first needed. It is looked for, in this order, at
 *
 * <ol>
 *   <li>the path given to {@link #load(Path)};
 *   <li>the system property {@value #PROPERTY}: the library, or a directory that has it;
 *   <li>the directories of {@code java.library.path};
 *   <li>the resource that this JAR carries for its platform, {@code io/weir/native/<os>-<arch>/}.
 * </ol>
 *
 * The first that exists is taken. One that cannot be loaded, or has another ABI than this binding, is an {@link UnsatisfiedLinkError} that
 * says which file it was.
 */
public final class NativeLibrary {
  /** The system property that names the library or its directory. */
  public static final String PROPERTY = "weir.library.path";

  private record Loaded(SymbolLookup symbols, String origin) {}

  private static volatile Loaded loaded;

  private NativeLibrary() {}

  /**
   * Loads the library from a file. To be called before anything else of weir's.
   *
   * @param file the library
   * @throws UnsatisfiedLinkError if it cannot be loaded or has another ABI
   * @throws IllegalStateException if another one is loaded
   */
  public static synchronized void load(Path file) {
    String origin = file.toAbsolutePath().toString();
    if (loaded == null) {
      loaded = open(file, origin);
    } else if (!loaded.origin.equals(origin)) {
      throw new IllegalStateException("weir's native library is loaded already, from " + loaded.origin);
    }
  }

  /**
   * Where the library was loaded from; loads it if need be.
   *
   * @return the file or resource
   */
  public static String origin() {
    return loaded().origin;
  }

  /**
   * Loads the library, unless that was done. Whatever does not need a handle begins with it: a class of {@link Native} that failed to load
   * would hide the reason from the second call on.
   */
  static void require() {
    loaded();
  }

  private static Loaded loaded() {
    Loaded found = loaded;
    return found != null ? found : search();
  }

  private static synchronized Loaded search() {
    if (loaded == null) {
      loaded = find();
    }
    return loaded;
  }

  static MemorySegment symbol(String name) {
    return symbol(loaded(), name);
  }

  private static MemorySegment symbol(Loaded library, String name) {
    Optional<MemorySegment> symbol = library.symbols.find(name);
    return symbol.orElseThrow(() -> new UnsatisfiedLinkError(library.origin + " has no function " + name));
  }

  private static Loaded find() {
    String name = System.mapLibraryName("weir");
    String property = System.getProperty(PROPERTY);
    if (property != null && !property.isEmpty()) {
      Path path = Path.of(property);
      Path file = Files.isDirectory(path) ? path.resolve(name) : path;
      if (!Files.exists(file)) {
        throw new UnsatisfiedLinkError(file + ", from the system property " + PROPERTY + ", does not exist");
      }
      return open(file, file.toAbsolutePath().toString());
    }
    for (String directory : System.getProperty("java.library.path", "").split(System.getProperty("path.separator"))) {
      Path file = Path.of(directory, name);
      if (!directory.isEmpty() && Files.exists(file)) {
        return open(file, file.toAbsolutePath().toString());
      }
    }
    return extract(name);
  }

  /** The platform as resources are named by it, such as {@code linux-x86_64}. */
  static String platform() {
    String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    String arch = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
    String family = os.startsWith("mac") ? "macos" : os.startsWith("windows") ? "windows" : os.replaceAll("[^a-z0-9]", "");
    String processor =
        switch (arch) {
          case "amd64", "x86_64", "x64" -> "x86_64";
          case "arm64", "aarch64" -> "aarch64";
          default -> arch;
        };
    return family + "-" + processor;
  }

  private static Loaded extract(String name) {
    String resource = "native/" + platform() + "/" + name;
    try (InputStream in = NativeLibrary.class.getResourceAsStream(resource)) {
      if (in == null) {
        throw new UnsatisfiedLinkError(
            "weir's native library " + name + " was not found: not by the system property " + PROPERTY + ", not in java.library.path ("
                + System.getProperty("java.library.path") + "), and this JAR carries none for " + platform());
      }
      Path directory = Files.createTempDirectory("weir-"); // for this user only
      Path file = directory.resolve(name);
      try {
        Files.copy(in, file);
        return open(file, NativeLibrary.class.getResource(resource).toString());
      } finally { // it stays mapped; where the system holds on to the file, it goes at exit
        if (!file.toFile().delete() | !directory.toFile().delete()) {
          directory.toFile().deleteOnExit();
          file.toFile().deleteOnExit();
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot unpack weir's native library", e);
    }
  }

  private static Loaded open(Path file, String origin) {
    Loaded library;
    try {
      library = new Loaded(SymbolLookup.libraryLookup(file, Arena.global()), origin);
    } catch (IllegalArgumentException e) {
      UnsatisfiedLinkError error = new UnsatisfiedLinkError("cannot load weir's native library from " + origin + ": " + e.getMessage());
      error.initCause(e);
      throw error;
    }
    int abi = abiVersion(library);
    if (abi != Native.WEIR_ABI_VERSION) {
      throw new UnsatisfiedLinkError(
          "weir's native library " + origin + " has ABI version " + abi + ", this binding needs " + Native.WEIR_ABI_VERSION);
    }
    return library;
  }

  private static int abiVersion(Loaded library) {
    try {
      FunctionDescriptor descriptor = FunctionDescriptor.of(ValueLayout.JAVA_INT);
      return (int) Linker.nativeLinker().downcallHandle(symbol(library, "weir_abi_version"), descriptor).invokeExact();
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }
}
