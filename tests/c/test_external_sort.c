/* The example that sorts more than its memory holds, under the checkers: it leaves nothing of weir's alive and touches nothing wild. */
#define main external_sort
#include "../../examples/c/external_sort.c"
#undef main

#include "harness.h"

static void sorts(const char *rows, const char *memory_kib) {
  char *arguments[] = {(char *)"external_sort", (char *)rows, (char *)memory_kib, NULL};
  CHECK_EQ(external_sort(3, arguments), 0); /* it verifies its result itself */
  CHECK_EQ(weir_live_handles(), 0);
}

static void test_runs_are_merged_two_at_a_time(void) { sorts("100000", "1300"); }

static void test_one_run_and_none(void) {
  sorts("1000", "1300");
  sorts("0", "1300");
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  setenv("TMPDIR", harness_dir, 1); /* where the example spills */
  RUN(test_runs_are_merged_two_at_a_time);
  RUN(test_one_run_and_none);
  return harness_finish(argv[0]);
}
