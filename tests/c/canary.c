/* Does wrong what the memory checkers must see. run.sh requires that each of these FAILS under each checker: a suite that passes
 * where the canary lives was not watched. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir.h"

static void overflow(void) {
  volatile char *bytes = malloc(16);
  volatile size_t beyond = 16;
  if (bytes != NULL) bytes[beyond] = 1;
  free((void *)bytes);
}

static void leak(void) {
  void *volatile lost = malloc(64);
  lost = NULL;
  (void)lost;
}

/* The library's own memory: it shows that the checker sees its allocator. */
static void leak_of_weirs(void) {
  WeirBuffer *volatile lost = NULL;
  WeirBuffer *buffer = NULL;
  if (weir_store_settings_list(&buffer, NULL) != WEIR_STATUS_OK) exit(0); /* exit code 0: the canary lives, the run fails */
  lost = buffer;
  buffer = NULL;
  lost = NULL;
  (void)lost;
}

/* Reads what a freed handle of weir's was. */
static void use_after_free(void) {
  WeirBuffer *buffer = NULL;
  const volatile unsigned char *data;
  if (weir_store_settings_list(&buffer, NULL) != WEIR_STATUS_OK) exit(0);
  data = (const unsigned char *)weir_buffer_data(buffer);
  weir_buffer_free(buffer);
  if (data != NULL && data[0] == 'x') puts("");
}

int main(int argc, char **argv) {
  const char *how = argc > 1 ? argv[1] : "";
  if (strcmp(how, "overflow") == 0) overflow();
  else if (strcmp(how, "leak") == 0) leak();
  else if (strcmp(how, "leak-of-weirs") == 0) leak_of_weirs();
  else if (strcmp(how, "use-after-free") == 0) use_after_free();
  else return 2;
  /* Overwrites the stack where a pointer to what was lost may still lie. */
  volatile char stack[4096];
  memset((char *)stack, 0, sizeof stack);
  return 0;
}
