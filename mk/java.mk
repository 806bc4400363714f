# The Java binding: bindings/java, examples/java. Needs a JDK of version 22 or later (JAVA_HOME, or one that scripts/jdk.sh finds) and Maven.

MVN       ?= mvn
MVN_FLAGS ?= -B -q
JAVA       = bindings/java
JAVA_OUT   = $(abspath $(JAVA))/target
JAVA_HOME_FOUND = $$(sh scripts/jdk.sh)
# Maven of the JDK that was found. Absolute: it is run in the binding's directory.
MVN_RUN    = JAVA_HOME="$(JAVA_HOME_FOUND)" $(MVN) $(MVN_FLAGS) -f $(JAVA)/pom.xml
JAVA_FLAGS = --add-opens=java.base/java.nio=ALL-UNNAMED --enable-native-access=ALL-UNNAMED
# Fails where the binding cannot be built, and says in one line what is missing.
JAVA_TOOLS = sh scripts/jdk.sh >/dev/null && sh scripts/need.sh $(MVN) maven

.PHONY: java-tools java-native java-jar java-jar-built test-java run-java-tests examples-java run-java-examples docs-java bench-java
java-tools:
	$(JAVA_TOOLS)

java-native: java-tools ## the Java binding's view of include/weir.h, after a change of that
	"$(JAVA_HOME_FOUND)/bin/java" $(JAVA)/tools/NativeGenerator.java include/weir.h $(JAVA)/src/main/java/io/weir/Native.java

# The library of $(OUT), stripped, where the JAR takes it from.
.PHONY: java-resource
java-resource: build
	mkdir -p $(JAVA_OUT)/native/io/weir/native/$(PLATFORM)
	strip -S -o $(JAVA_OUT)/native/io/weir/native/$(PLATFORM)/libweir.so $(LIB)

# What is shipped in a JAR is what `make install` ships.
java-jar: ## the Java binding as a JAR, with the library of this platform inside (INSTALL_PROFILE=release)
	$(MAKE) java-jar-built PROFILE=$(INSTALL_PROFILE)

java-jar-built: java-tools java-resource
	$(MVN_RUN) -DskipTests package

# Compiles with all warnings, checks the documentation, runs all tests against the library, and then the JAR by itself.
test-java: ## the Java binding, on any JDK of version 22 or later
	if missing=$$({ $(JAVA_TOOLS); } 2>&1 >/dev/null); then \
	  $(MAKE) run-java-tests PROFILE=$(TEST_PROFILE); \
	else sh scripts/skip.sh Java "$$missing"; fi

run-java-tests: java-tools java-resource
	$(MVN_RUN) -Dweir.native.library='$(LIB)' -Dweir.cc='$(CC)' package javadoc:javadoc
	$(MAKE) run-java-examples

# The binding and what it needs at run time, and the examples, compiled.
examples-java: java-jar-built
	$(MVN_RUN) dependency:copy-dependencies -DincludeScope=test -DexcludeArtifactIds=junit-jupiter -DoutputDirectory=$(JAVA_OUT)/lib
	mkdir -p $(OUT)/examples/java
	"$(JAVA_HOME_FOUND)/bin/javac" -Xlint:all,-classfile -Werror --release 22 -d $(OUT)/examples/java \
	  -cp "$$(ls -d $(JAVA_OUT)/weir-*.jar):$(JAVA_OUT)/lib/*" examples/java/*.java

run-java-examples: examples-java ## ingest real data with Java, kill the process half-way, lose nothing
	"$(JAVA_HOME_FOUND)/bin/java" $(JAVA_FLAGS) -cp "$(OUT)/examples/java:$$(ls -d $(JAVA_OUT)/weir-*.jar):$(JAVA_OUT)/lib/*" \
	  Quickstart '$(or $(FILE),examples/data/flights.arrow)' $(if $(DIR),'$(DIR)')

docs-java: java-tools ## the Java binding's documentation, in bindings/java/target/reports/apidocs
	$(MVN_RUN) javadoc:javadoc

# The Java part of benches/bind: a program for its run.sh. Whether there is a JDK is asked only where it matters: that takes a while.
.PHONY: bench-bind-java
bench-bind-java: examples-java
	mkdir -p $(OUT)/bench/java $(OUT)/bench-bind
	"$(JAVA_HOME_FOUND)/bin/javac" -Xlint:all,-classfile,-restricted -Werror --release 22 -d $(OUT)/bench/java \
	  -cp "$$(ls -d $(JAVA_OUT)/weir-*.jar):$(JAVA_OUT)/lib/*" benches/bind/java/*.java
	printf '#!/bin/sh\nexec sh "%s" "%s" "$$@"\n' '$(CURDIR)/benches/bind/java/run.sh' '$(OUT)' >$(OUT)/bench-bind/bench-java
	chmod +x $(OUT)/bench-bind/bench-java

bench-java: bench-bind-java ## the Java part of benches/bind, by itself (DIR=…)
	$(OUT)/bench-bind/bench-java '$(or $(DIR),/tmp)'

ifneq ($(filter %bench-bind,$(MAKECMDGOALS)),)
ifneq ($(shell { $(JAVA_TOOLS); } >&2 && echo there),)
BIND_PROGRAMS += java=$(OUT)/bench-bind/bench-java
BIND_BUILD    += bench-bind-java
endif
endif
