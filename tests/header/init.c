/* The initialisers of the header against the defaults of the library. */
#include <weir.h>

#include <stdio.h>
#include <string.h>

static int failed = 0;

#define CHECK(type, init, function)                                            \
  do {                                                                         \
    type given = init;                                                         \
    type wanted;                                                               \
    memset(&wanted, 0xAA, sizeof wanted);                                      \
    function(&wanted, (uint32_t)sizeof wanted);                                \
    if (memcmp(&given, &wanted, sizeof given) != 0) {                          \
      fprintf(stderr, "%s is not what %s fills in\n", #init, #function);       \
      failed = 1;                                                              \
    }                                                                          \
  } while (0)

int main(void) {
  CHECK(WeirRuntimeOptions, WEIR_RUNTIME_OPTIONS_INIT, weir_runtime_options_init);
  CHECK(WeirQueueOptions, WEIR_QUEUE_OPTIONS_INIT, weir_queue_options_init);
  CHECK(WeirTrimOptions, WEIR_TRIM_OPTIONS_INIT, weir_trim_options_init);
  CHECK(WeirWriterOptions, WEIR_WRITER_OPTIONS_INIT, weir_writer_options_init);
  CHECK(WeirScanOptions, WEIR_SCAN_OPTIONS_INIT, weir_scan_options_init);
  CHECK(WeirGetOptions, WEIR_GET_OPTIONS_INIT, weir_get_options_init);
  CHECK(WeirSnapshotOptions, WEIR_SNAPSHOT_OPTIONS_INIT, weir_snapshot_options_init);
  CHECK(WeirAppenderOptions, WEIR_APPENDER_OPTIONS_INIT, weir_appender_options_init);
  CHECK(WeirTailerOptions, WEIR_TAILER_OPTIONS_INIT, weir_tailer_options_init);
  CHECK(WeirSpillStoreOptions, WEIR_SPILL_STORE_OPTIONS_INIT, weir_spill_store_options_init);
  CHECK(WeirSpillOptions, WEIR_SPILL_OPTIONS_INIT, weir_spill_options_init);
  CHECK(WeirSpillReadOptions, WEIR_SPILL_READ_OPTIONS_INIT, weir_spill_read_options_init);
  CHECK(WeirCacheOptions, WEIR_CACHE_OPTIONS_INIT, weir_cache_options_init);
  CHECK(WeirSessionOptions, WEIR_SESSION_OPTIONS_INIT, weir_session_options_init);
  if (weir_abi_version() != WEIR_ABI_VERSION) {
    fprintf(stderr, "the library's ABI is %u, the header's %u\n", (unsigned)weir_abi_version(), (unsigned)WEIR_ABI_VERSION);
    failed = 1;
  }
  return failed;
}
