/* Compiled, not run: the header twice, and the layouts that are frozen for ever. */
#include <weir.h>
#include <weir.h>

#include <stddef.h>

#ifdef __cplusplus
#define ASSERT(condition, message) static_assert(condition, message)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define ASSERT(condition, message) _Static_assert(condition, message)
#else
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define ASSERT(condition, message) typedef char JOIN(assert_, __LINE__)[(condition) ? 1 : -1]
#endif

/* Pointers are 8 bytes on every platform so far; elsewhere the layouts follow from the fields. */
ASSERT(sizeof(void *) != 8 || sizeof(WeirAck) == 24, "WeirAck");
ASSERT(sizeof(void *) != 8 || sizeof(WeirEvent) == 64, "WeirEvent");
ASSERT(sizeof(void *) != 8 || sizeof(WeirCompletion) == 24, "WeirCompletion");
ASSERT(sizeof(void *) != 8 || sizeof(WeirKeyValue) == 16, "WeirKeyValue");
ASSERT(sizeof(void *) != 8 || sizeof(WeirRuntimeOptions) >= 48, "WeirRuntimeOptions");
ASSERT(sizeof(void *) != 8 || sizeof(WeirLogSink) >= 32, "WeirLogSink");
ASSERT(sizeof(void *) != 8 || sizeof(WeirQueueOptions) >= 8, "WeirQueueOptions");
ASSERT(sizeof(void *) != 8 || sizeof(WeirSessionOptions) >= 24, "WeirSessionOptions");

ASSERT(sizeof(void *) != 8 || offsetof(WeirSessionOptions, cache) >= 24, "WeirSessionOptions.cache");
ASSERT(sizeof(void *) != 8 || sizeof(WeirCacheKey) == 40, "WeirCacheKey");
ASSERT(sizeof(void *) != 8 || sizeof(WeirCacheLoader) == 24, "WeirCacheLoader");
ASSERT(sizeof(void *) != 8 || sizeof(WeirCacheOptions) >= 32, "WeirCacheOptions");
ASSERT(sizeof(void *) != 8 || sizeof(WeirCacheBackend) >= 72, "WeirCacheBackend");
ASSERT(sizeof(WeirCacheStats) >= 120, "WeirCacheStats");
ASSERT(sizeof(WeirSessionMemory) >= 88, "WeirSessionMemory");
ASSERT(offsetof(WeirCacheBackend, struct_size) == 0, "struct_size");
ASSERT(offsetof(WeirCacheOptions, struct_size) == 0, "struct_size");

ASSERT(offsetof(WeirAck, sequence) == 0, "sequence");
ASSERT(offsetof(WeirAck, position) == 8, "position");
ASSERT(offsetof(WeirAck, epoch) == 16, "epoch");
ASSERT(offsetof(WeirEvent, token) == 0, "token");
ASSERT(offsetof(WeirEvent, status) == 8, "status");
ASSERT(offsetof(WeirEvent, result_kind) == 12, "result_kind");
ASSERT(offsetof(WeirEvent, error) == 16, "error");
ASSERT(sizeof(void *) != 8 || offsetof(WeirEvent, result) == 24, "result");
ASSERT(sizeof(void *) != 8 || offsetof(WeirEvent, ack) == 32, "ack");
ASSERT(sizeof(void *) != 8 || offsetof(WeirEvent, value) == 56, "value");
ASSERT(offsetof(WeirCompletion, fn) == 0, "fn");
ASSERT(offsetof(WeirRuntimeOptions, struct_size) == 0, "struct_size");
ASSERT(offsetof(WeirLogSink, struct_size) == 0, "struct_size");
ASSERT(offsetof(WeirQueueOptions, struct_size) == 0, "struct_size");
ASSERT(offsetof(WeirSessionOptions, struct_size) == 0, "struct_size");

ASSERT(sizeof(void *) != 8 || sizeof(WeirShardField) == 24, "WeirShardField");
ASSERT(sizeof(WeirTrimOptions) >= 16, "WeirTrimOptions");
ASSERT(sizeof(WeirWriterOptions) >= 64, "WeirWriterOptions");
ASSERT(offsetof(WeirWriterOptions, durable) == 4, "durable");
ASSERT(offsetof(WeirWriterOptions, compression) == 8, "compression");
ASSERT(offsetof(WeirWriterOptions, linger_us) == 16, "linger_us");
ASSERT(offsetof(WeirWriterOptions, open_timeout_ms) == 56, "open_timeout_ms");
ASSERT(sizeof(WeirAppenderOptions) >= 40, "WeirAppenderOptions");
ASSERT(sizeof(WeirTailerOptions) >= 40, "WeirTailerOptions");
ASSERT(offsetof(WeirTailerOptions, from) == 8, "from");
ASSERT(offsetof(WeirTailerOptions, prefetch_bytes) == 16, "prefetch_bytes");
ASSERT(offsetof(WeirWriterStats, puts) == 8, "puts");
ASSERT(sizeof(WeirWriterStats) >= 232, "WeirWriterStats");
ASSERT(sizeof(WeirWriterMemory) >= 72, "WeirWriterMemory");
ASSERT(offsetof(WeirWriterMemory, memtable_bytes) == 40, "memtable_bytes");
ASSERT(offsetof(WeirWriterOptions, enable_memtable) == 7, "enable_memtable");
ASSERT(offsetof(WeirWriterOptions, max_memtable_bytes) == 64, "max_memtable_bytes");
ASSERT(sizeof(void *) != 8 || offsetof(WeirWriterOptions, primary_key) == 104, "primary_key");
ASSERT(sizeof(void *) != 8 || offsetof(WeirWriterOptions, compaction) == 136, "compaction");
ASSERT(sizeof(void *) != 8 || sizeof(WeirWriterOptions) >= 160, "WeirWriterOptions");
ASSERT(sizeof(void *) != 8 || sizeof(WeirIndexDefinition) == 24, "WeirIndexDefinition");
ASSERT(sizeof(WeirMemTableStats) >= 160, "WeirMemTableStats");
ASSERT(offsetof(WeirMemTableStats, active_generation) == 8, "active_generation");
ASSERT(sizeof(void *) != 8 || sizeof(WeirComparison) == 16, "WeirComparison");
ASSERT(sizeof(void *) != 8 || sizeof(WeirScanOptions) >= 56, "WeirScanOptions");
ASSERT(sizeof(void *) != 8 || offsetof(WeirScanOptions, limit) == 40, "limit");
ASSERT(sizeof(void *) != 8 || sizeof(WeirGetOptions) >= 24, "WeirGetOptions");
ASSERT(sizeof(void *) != 8 || sizeof(WeirSnapshotOptions) >= 56, "WeirSnapshotOptions");
ASSERT(sizeof(void *) != 8 || offsetof(WeirSnapshotOptions, max_bytes) == 40, "max_bytes");
ASSERT(WEIR_COMPARE_EQ == 0 && WEIR_COMPARE_GE == 5 && WEIR_COMPARE_IS_NOT_NULL == 7, "comparisons");
ASSERT(WEIR_KEY_MISSING == 0 && WEIR_KEY_FOUND == 1 && WEIR_KEY_DELETED == 2, "key states");
ASSERT(WEIR_INDEX_BTREE == 0 && sizeof(WeirKey) == 1, "indexes, key states");

ASSERT(sizeof(void *) != 8 || offsetof(WeirSessionOptions, spill) == 24, "spill");
ASSERT(sizeof(void *) != 8 || sizeof(WeirSpillStoreOptions) >= 56, "WeirSpillStoreOptions");
ASSERT(offsetof(WeirSpillStoreOptions, backend) == 4, "backend");
ASSERT(sizeof(void *) != 8 || offsetof(WeirSpillStoreOptions, location) == 8, "location");
ASSERT(sizeof(void *) != 8 || offsetof(WeirSpillStoreOptions, cap_bytes) == 16, "cap_bytes");
ASSERT(sizeof(void *) != 8 || offsetof(WeirSpillStoreOptions, buffer_bytes) == 48, "buffer_bytes");
ASSERT(sizeof(WeirSpillOptions) >= 16, "WeirSpillOptions");
ASSERT(offsetof(WeirSpillOptions, compression) == 4, "compression");
ASSERT(offsetof(WeirSpillOptions, encrypt) == 8, "encrypt");
ASSERT(sizeof(WeirSpillReadOptions) >= 8, "WeirSpillReadOptions");
ASSERT(offsetof(WeirSpillReadOptions, map) == 4, "map");
ASSERT(sizeof(WeirSpillStats) >= 128, "WeirSpillStats");
ASSERT(offsetof(WeirSpillStats, live_bytes) == 8, "live_bytes");
ASSERT(offsetof(WeirSpillStats, swept_bytes) == 120, "swept_bytes");
ASSERT(sizeof(void *) != 8 || sizeof(WeirBytes) == 16, "WeirBytes");
ASSERT(WEIR_SPILL_BACKEND_LOCAL == 0 && WEIR_SPILL_BACKEND_TIERED == 3, "backends");

ASSERT(sizeof(WeirStatus) == 4, "WeirStatus");
ASSERT(WEIR_STATUS_OK == 0 && WEIR_STATUS_INVALID_ARGUMENT == 1 && WEIR_STATUS_INTERNAL == 25, "status codes");
ASSERT(WEIR_RESULT_NONE == 0 && WEIR_RESULT_MANIFEST == 6, "result kinds");
ASSERT(WEIR_RESULT_SPILL == 7 && WEIR_RESULT_BATCH == 8 && WEIR_RESULT_SNAPSHOT == 10, "result kinds");
ASSERT(WEIR_LOG_LEVEL_OFF == 0 && WEIR_LOG_LEVEL_TRACE == 5, "log levels");
ASSERT(WEIR_ACTION_NONE == 0 && WEIR_ACTION_REPORT == 5, "actions");
ASSERT(WEIR_VERSION_MAJOR == 0 && WEIR_ABI_VERSION == 0, "versions");
