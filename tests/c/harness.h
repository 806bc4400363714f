/* The little that the C tests need: checks that go on after a failure, scratch directories, and one rule applied to every call:
 * `err` holds garbage before it, so that a function that does not set *error on entry is found out. */
#ifndef WEIR_TEST_HARNESS_H
#define WEIR_TEST_HARNESS_H

#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "weir.h"

#define UNUSED __attribute__((unused))

static atomic_int harness_failures;
static int harness_passed, harness_failed;
static const char *harness_test = "(start)";
static char harness_dir[64];

/* The error of the calls of the main thread; NULL between them. */
static _Thread_local WeirError *err;
#define ERR_GARBAGE ((WeirError *)(uintptr_t)0x5a5a5a58)

UNUSED static void fail_at(const char *file, int line, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "%s:%d: %s: ", file, line, harness_test);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  atomic_fetch_add(&harness_failures, 1);
}

#define CHECK(condition) check_true((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQ(actual, expected) check_eq((int64_t)(actual), (int64_t)(expected), #actual, __FILE__, __LINE__)
#define CHECK_STR(actual, expected) check_str((actual), (expected), #actual, __FILE__, __LINE__)
/* The call succeeds and leaves no error. */
#define OK(call) (err = ERR_GARBAGE, check_status((call), WEIR_STATUS_OK, NULL, #call, __FILE__, __LINE__))
/* The call fails with WEIR_STATUS_<code> and leaves a whole error; FAILS_SAYING also wants words in its message. */
#define FAILS(call, code) (err = ERR_GARBAGE, check_status((call), WEIR_STATUS_##code, NULL, #call, __FILE__, __LINE__))
#define FAILS_SAYING(call, code, words) (err = ERR_GARBAGE, check_status((call), WEIR_STATUS_##code, (words), #call, __FILE__, __LINE__))
/* The call fails with one of two codes: where the design leaves the choice. */
#define FAILS_EITHER(call, a, b) (err = ERR_GARBAGE, check_either((call), WEIR_STATUS_##a, WEIR_STATUS_##b, #call, __FILE__, __LINE__))

UNUSED static bool check_true(bool condition, const char *what, const char *file, int line) {
  if (!condition) fail_at(file, line, "not so: %s", what);
  return condition;
}

UNUSED static bool check_eq(int64_t actual, int64_t expected, const char *what, const char *file, int line) {
  if (actual == expected) return true;
  fail_at(file, line, "%s is %" PRId64 ", not %" PRId64, what, actual, expected);
  return false;
}

UNUSED static bool check_str(const char *actual, const char *expected, const char *what, const char *file, int line) {
  if (actual != NULL && strcmp(actual, expected) == 0) return true;
  fail_at(file, line, "%s is \"%s\", not \"%s\"", what, actual ? actual : "(null)", expected);
  return false;
}

/* A failure's error must have the status's code, a message, and an action; `*error` is freed and set to NULL. */
UNUSED static bool check_error(WeirError **error, WeirStatus status, const char *words, const char *call, const char *file, int line) {
  bool good = true;
  if (*error == NULL || *error == ERR_GARBAGE) {
    fail_at(file, line, "%s failed with %s and set no error", call, weir_status_name(status));
    good = false;
  } else {
    const char *message = weir_error_message(*error);
    int32_t action = weir_error_action(*error);
    bool says = message != NULL && message[0] != '\0';
    if (weir_error_code(*error) != status || !says || action < WEIR_ACTION_RETRY || action > WEIR_ACTION_REPORT) {
      fail_at(file, line, "%s: the error does not match status %s", call, weir_status_name(status));
      good = false;
    } else if (words != NULL && strstr(message, words) == NULL) {
      fail_at(file, line, "%s: \"%s\" does not say \"%s\"", call, message, words);
      good = false;
    }
    weir_error_free(*error);
  }
  *error = NULL;
  return good;
}

UNUSED static bool check_status(WeirStatus status, WeirStatus expected, const char *words, const char *call, const char *file, int line) {
  if (status == expected && status == WEIR_STATUS_OK) {
    bool clean = err == NULL;
    if (!clean) fail_at(file, line, "%s: *error is not NULL after success", call);
    err = NULL;
    return clean;
  }
  if (status != expected) {
    fail_at(file, line, "%s is %s, not %s (%s)", call, weir_status_name(status), weir_status_name(expected),
            err && err != ERR_GARBAGE ? weir_error_message(err) : "no message");
    if (err != ERR_GARBAGE) weir_error_free(err);
    err = NULL;
    return false;
  }
  return check_error(&err, status, words, call, file, line);
}

UNUSED static bool check_either(WeirStatus status, WeirStatus a, WeirStatus b, const char *call, const char *file, int line) {
  return check_status(status, status == b ? b : a, NULL, call, file, line);
}

UNUSED static int harness_remove(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)st, (void)type, (void)ftw;
  return remove(path);
}

/* A directory that does not exist yet, below one that is removed at the end. Freed with free(). */
UNUSED static char *new_root(void) {
  static atomic_int n;
  char *path = malloc(sizeof harness_dir + 16);
  if (path == NULL) abort();
  snprintf(path, sizeof harness_dir + 16, "%s/root%d", harness_dir, atomic_fetch_add(&n, 1));
  return path;
}

#define SHARD "00000000-0000-4000-8000-00000000c0de"
#define SHARD2 "00000000-0000-4000-8000-00000000beef"

UNUSED static void sleep_ms(long ms) {
  struct timespec t = {ms / 1000, (ms % 1000) * 1000000};
  nanosleep(&t, NULL);
}

UNUSED static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until the condition holds; gives up, and fails, after 20 s. */
#define EVENTUALLY(condition)                                                                    \
  do {                                                                                           \
    int64_t give_up_ = now_ms() + 20000;                                                         \
    while (!(condition) && now_ms() < give_up_) sleep_ms(1);                                     \
    if (!(condition)) fail_at(__FILE__, __LINE__, "not so after 20 s: %s", #condition);          \
  } while (0)

UNUSED static void harness_start(void) {
  const char *tmp = getenv("TMPDIR");
  setvbuf(stdout, NULL, _IOLBF, 0); /* the sanitizers' exit does not flush */
  if (tmp == NULL || tmp[0] == '\0' || strlen(tmp) > 40) tmp = "/tmp";
  snprintf(harness_dir, sizeof harness_dir, "%s/weir-test-XXXXXX", tmp);
  if (mkdtemp(harness_dir) == NULL) {
    perror("mkdtemp");
    exit(2);
  }
}

UNUSED static void harness_run(void (*test)(void), const char *name) {
  int before = atomic_load(&harness_failures);
  harness_test = name;
  test();
  if (err != NULL) fail_at(__FILE__, __LINE__, "an error is left");
  err = NULL;
  if (atomic_load(&harness_failures) == before) harness_passed++;
  else harness_failed++;
}

/* Nothing of weir's may be alive, and its threads must end. Returns the program's exit code. */
UNUSED static int harness_finish(const char *program) {
  int before = atomic_load(&harness_failures);
  harness_test = "(end)";
  CHECK_EQ(weir_live_handles(), 0);
  OK(weir_runtime_shutdown(20000, &err));
  if (atomic_load(&harness_failures) != before) harness_failed++;
  nftw(harness_dir, harness_remove, 16, FTW_DEPTH | FTW_PHYS);
  const char *base = strrchr(program, '/');
  printf("    %s: %d passed, %d failed\n", base ? base + 1 : program, harness_passed, harness_failed);
  return harness_failed == 0 ? 0 : 1;
}

#define RUN(test) harness_run(test, #test)

#endif
