# Part of tests/packages/run.sh: the JAR with the library inside, from a Maven repository, in a program of Maven's own layout.

# A repository apart, so that no JAR of another build is taken for this one; what Maven has of others already is not fetched again.
maven() { JAVA_HOME=$jdk mvn -B -q -Dmaven.repo.local="$dir/m2" "$@"; }
java_jar() {
  mkdir -p "$dir/m2" "$dir/java-native/io/weir/native/$platform" &&
    if [ -d "$HOME/.m2/repository" ]; then cp -al "$HOME/.m2/repository/." "$dir/m2/" && rm -rf "$dir/m2/io/weir"; fi &&
    strip -S -o "$dir/java-native/io/weir/native/$platform/libweir.so" "$out/libweir.so" &&
    cp -R bindings/java/src bindings/java/pom.xml "$dir/java-build/" &&
    maven -f "$dir/java-build/pom.xml" -DskipTests -Dweir.native="$dir/java-native" install
}
java_build() {
  cp -R tests/packages/java/. "$dir/java-work/" && maven -f "$dir/java-work/pom.xml" -Dweir.version="$version" compile \
    dependency:build-classpath -Dmdep.outputFile="$dir/java-work/classpath"
}
java_consumer() {
  # An older JDK does not know, and newer ones want, the word on Arrow's use of sun.misc.Unsafe.
  unsafe=--sun-misc-unsafe-memory-access=allow
  "$jdk/bin/java" "$unsafe" -version >/dev/null 2>&1 || unsafe=
  "$jdk/bin/java" --add-opens=java.base/java.nio=ALL-UNNAMED --enable-native-access=ALL-UNNAMED $unsafe \
    -cp "$dir/java-work/target/classes:$(cat "$dir/java-work/classpath")" Consumer "$@"
}

if jdk=$(sh scripts/jdk.sh 2>"$dir/log") && sh scripts/need.sh mvn maven 2>"$dir/log"; then
  platform=$(sh scripts/platform.sh)
  mkdir -p "$dir/java-build" "$dir/java-work"
  check 'Java, the JAR in a Maven repository' java_jar
  check 'Java, mvn compile' java_build
  check 'Java' appends_crashes_tails java_consumer
else
  skip Java "$(cat "$dir/log")"
fi
