/* The layouts that programs are built against, frozen for 64-bit machines. A change here breaks them. */
#include "weir.h"

#ifdef __cplusplus
#define FROZEN(condition) static_assert(condition, #condition)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define FROZEN(condition) _Static_assert(condition, #condition)
#else
#define FROZEN(condition) extern int weir_frozen[(condition) ? 1 : -1]
#endif

FROZEN(sizeof(void *) == 8);
FROZEN(sizeof(WeirStatus) == 4);
FROZEN(sizeof(struct ArrowArray) == 80);
FROZEN(sizeof(struct ArrowSchema) == 72);
FROZEN(sizeof(struct ArrowArrayStream) == 40);
FROZEN(sizeof(WeirAck) == 24);
FROZEN(offsetof(WeirAck, position) == 8);
FROZEN(offsetof(WeirAck, epoch) == 16);
FROZEN(sizeof(WeirEvent) == 64);
FROZEN(offsetof(WeirEvent, status) == 8);
FROZEN(offsetof(WeirEvent, result_kind) == 12);
FROZEN(offsetof(WeirEvent, error) == 16);
FROZEN(offsetof(WeirEvent, result) == 24);
FROZEN(offsetof(WeirEvent, ack) == 32);
FROZEN(offsetof(WeirEvent, value) == 56);
FROZEN(sizeof(WeirCompletion) == 24);
FROZEN(sizeof(WeirKeyValue) == 16);
FROZEN(sizeof(WeirShardField) == 24);
FROZEN(sizeof(WeirRuntimeOptions) == 48);
FROZEN(sizeof(WeirQueueOptions) == 8);
FROZEN(sizeof(WeirSessionOptions) == 24);
FROZEN(sizeof(WeirTrimOptions) == 16);
FROZEN(sizeof(WeirWriterOptions) == 64);
FROZEN(offsetof(WeirWriterOptions, compression) == 8);
FROZEN(offsetof(WeirWriterOptions, linger_us) == 16);
FROZEN(offsetof(WeirWriterOptions, trim_age_ms) == 48);
FROZEN(sizeof(WeirAppenderOptions) == 40);
FROZEN(sizeof(WeirTailerOptions) == 40);
FROZEN(offsetof(WeirTailerOptions, from) == 8);
FROZEN(offsetof(WeirTailerOptions, prefetch_bytes) == 16);
FROZEN(sizeof(WeirWriterStats) == 232);
FROZEN(sizeof(WeirWriterMemory) == 40);

/* The initialisers are complete (a missing one is a warning here). */
WeirRuntimeOptions weir_runtime_options = WEIR_RUNTIME_OPTIONS_INIT;
WeirLogSink weir_log_sink = WEIR_LOG_SINK_INIT;
WeirQueueOptions weir_queue_options = WEIR_QUEUE_OPTIONS_INIT;
WeirSessionOptions weir_session_options = WEIR_SESSION_OPTIONS_INIT;
WeirTrimOptions weir_trim_options = WEIR_TRIM_OPTIONS_INIT;
WeirWriterOptions weir_writer_options = WEIR_WRITER_OPTIONS_INIT;
WeirAppenderOptions weir_appender_options = WEIR_APPENDER_OPTIONS_INIT;
WeirTailerOptions weir_tailer_options = WEIR_TAILER_OPTIONS_INIT;
WeirWriterStats weir_writer_stats_of = WEIR_WRITER_STATS_INIT;
WeirWriterMemory weir_writer_memory_of = WEIR_WRITER_MEMORY_INIT;
