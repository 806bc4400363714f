package weir

// #include "shim.h"
import "C"

import "time"

// A SessionOption configures NewSession.
type SessionOption func(*sessionOptions)

type sessionOptions struct {
	settings []setting
	spill    *SpillStore
	cache    *Cache
	memory   uint64
}

type setting struct{ key, value string }

// WithStoreSetting sets one setting of the object stores, such as credentials; StoreSettings lists the keys. An unknown key or a bad
// value makes NewSession fail.
func WithStoreSetting(key, value string) SessionOption {
	return func(o *sessionOptions) { o.settings = append(o.settings, setting{key, value}) }
}

// WithStoreSettings is WithStoreSetting for each key of the map.
func WithStoreSettings(settings map[string]string) SessionOption {
	return func(o *sessionOptions) {
		for key, value := range settings {
			o.settings = append(o.settings, setting{key, value})
		}
	}
}

// WithSpillStore sets the spill store that the session gives to all that is opened through it; a local one without a cap by default. The
// session keeps what it needs of it.
func WithSpillStore(store *SpillStore) SessionOption {
	return func(o *sessionOptions) { o.spill = store }
}

// WithCache sets the cache of all that is opened through the session, instead of a built-in one of its own. The session keeps it. Entries
// of a local store are cached only in one that is given here.
func WithCache(cache *Cache) SessionOption {
	return func(o *sessionOptions) { o.cache = cache }
}

// WithMemoryBytes limits what the session's writers have queued and in MemTables, its tailers have read ahead, and its cache, together; 0, the
// default, is no limit. The cache yields, and puts wait: see Session.Memory.
func WithMemoryBytes(n uint64) SessionOption {
	return func(o *sessionOptions) { o.memory = n }
}

// A WriterOption configures OpenWriter.
type WriterOption interface{ applyWriter(*writerOptions) }

// writerOptions is what OpenWriter is told.
type writerOptions struct {
	c     C.WeirWriterOptions
	table tableOptions
}

// An AppenderOption configures OpenAppender.
type AppenderOption interface {
	applyAppender(*C.WeirAppenderOptions)
}

// A ClaimOption configures whoever claims a shard: it is a WriterOption and an AppenderOption.
type ClaimOption struct {
	writer   func(*C.WeirWriterOptions)
	appender func(*C.WeirAppenderOptions)
}

func (o ClaimOption) applyWriter(w *writerOptions)           { o.writer(&w.c) }
func (o ClaimOption) applyAppender(c *C.WeirAppenderOptions) { o.appender(c) }

// A BatchOption configures whoever takes batches: it is a ClaimOption and a SpillOption.
type BatchOption struct {
	ClaimOption
	spill func(*C.WeirSpillOptions)
}

func (o BatchOption) applySpill(c *C.WeirSpillOptions) { o.spill(c) }

type writerOption func(*C.WeirWriterOptions)

func (o writerOption) applyWriter(w *writerOptions) { o(&w.c) }

// Durable has puts return when they are durable. This is the default.
func Durable() WriterOption { return writerOption(func(c *C.WeirWriterOptions) { c.durable = 1 }) }

// Buffered has puts return when they are admitted. They become durable within the linger, by Flush or by Close; what is not durable is
// lost with the process.
func Buffered() WriterOption { return writerOption(func(c *C.WeirWriterOptions) { c.durable = 0 }) }

// WithLinger sets how long an admitted put may wait for others to share its entry; 100 ms for a buffered writer by default, else 0.
func WithLinger(d time.Duration) WriterOption {
	return writerOption(func(c *C.WeirWriterOptions) { c.linger_us = C.int64_t(max(d, 0).Microseconds()) })
}

// WithMaxBufferBytes sets at how many bytes pending puts are written at once, and an entry is full; 8 MiB by default.
func WithMaxBufferBytes(n uint64) WriterOption {
	return writerOption(func(c *C.WeirWriterOptions) { c.max_buffer_bytes = C.uint64_t(n) })
}

// WithMaxPendingBytes sets at how many bytes admitted and not durable puts wait for room; 64 MiB by default.
func WithMaxPendingBytes(n uint64) WriterOption {
	return writerOption(func(c *C.WeirWriterOptions) { c.max_pending_bytes = C.uint64_t(n) })
}

// WithFsync sets whether durable means, on a local disk, that file and directory were synced. On by default. Without, what the kernel
// holds is lost with the machine's power, though not with the process.
func WithFsync(on bool) ClaimOption {
	return ClaimOption{
		func(c *C.WeirWriterOptions) { c.fsync = flag(on) },
		func(c *C.WeirAppenderOptions) { c.fsync = flag(on) },
	}
}

// WithValidation sets whether offsets and UTF-8 of every batch are checked. On by default. Without, the caller vouches for them, and
// what is wrong is undefined behaviour.
func WithValidation(on bool) BatchOption {
	return BatchOption{ClaimOption{
		func(c *C.WeirWriterOptions) { c.validate = flag(on) },
		func(c *C.WeirAppenderOptions) { c.validate = flag(on) },
	}, func(c *C.WeirSpillOptions) { c.validate = flag(on) }}
}

// A Compression says how the bodies of entries and of spilled batches are compressed.
type Compression int32

// The compressions.
const (
	// CompressionNone is the default.
	CompressionNone Compression = C.WEIR_COMPRESSION_NONE
	// CompressionLZ4 is fast.
	CompressionLZ4 Compression = C.WEIR_COMPRESSION_LZ4
	// CompressionZstd is small.
	CompressionZstd Compression = C.WEIR_COMPRESSION_ZSTD
)

// WithCompression sets the compression of entries, or of a spill's batches. Lance reads compressed entries only if it is built for it.
func WithCompression(compression Compression) BatchOption {
	return BatchOption{ClaimOption{
		func(c *C.WeirWriterOptions) { c.compression = C.int32_t(compression) },
		func(c *C.WeirAppenderOptions) { c.compression = C.int32_t(compression) },
	}, func(c *C.WeirSpillOptions) { c.compression = C.int32_t(compression) }}
}

// WithRetries sets how often a failed append is tried again, and the pause before the first retry, which doubles with each; 3 and 50 ms
// by default.
func WithRetries(n uint32, delay time.Duration) ClaimOption {
	ms := C.uint32_t(min(max(delay, 0).Milliseconds(), 1<<32-1))
	return ClaimOption{
		func(c *C.WeirWriterOptions) { c.max_retries, c.retry_base_delay_ms = C.uint32_t(n), ms },
		func(c *C.WeirAppenderOptions) { c.max_retries, c.retry_base_delay_ms = C.uint32_t(n), ms },
	}
}

// WithManifestProbeWidth sets how many manifest versions are asked for at once, 1 to 64; 2 by default.
func WithManifestProbeWidth(n uint32) ClaimOption {
	return ClaimOption{
		func(c *C.WeirWriterOptions) { c.manifest_probe_width = C.uint32_t(n) },
		func(c *C.WeirAppenderOptions) { c.manifest_probe_width = C.uint32_t(n) },
	}
}

// WithTrimAge sets below which age nothing of the shard is ever trimmed, by anyone; 24 hours by default.
func WithTrimAge(d time.Duration) ClaimOption {
	ms := C.int64_t(max(d, 0).Milliseconds())
	return ClaimOption{
		func(c *C.WeirWriterOptions) { c.trim_age_ms = ms },
		func(c *C.WeirAppenderOptions) { c.trim_age_ms = ms },
	}
}

// A TailerOption configures OpenTailer and Tail.
type TailerOption func(*tailerOptions)

type tailerOptions struct{ c C.WeirTailerOptions }

// Follow has the tailer wait at the end of the log for new entries, instead of ending there.
func Follow() TailerOption { return func(o *tailerOptions) { o.c.follow = 1 } }

// From sets the position to start at; 0, the default, is the oldest there is.
func From(position uint64) TailerOption {
	return func(o *tailerOptions) { o.c.from = C.uint64_t(position) }
}

// WithPrefetch sets how many entries are fetched at once from a store with latency, 1 to 4096, and how many bytes of them may be held; 32
// and 64 MiB by default. Local stores are read directly.
func WithPrefetch(entries uint32, bytes uint64) TailerOption {
	return func(o *tailerOptions) {
		o.c.prefetch_entries, o.c.prefetch_bytes = C.uint32_t(entries), C.uint64_t(bytes)
	}
}

// WithPolling sets the shortest and the longest pause between two looks at the log's end; 2 ms and 1 s by default. A writer in this
// process wakes its tailers at once.
func WithPolling(shortest, longest time.Duration) TailerOption {
	ms := func(d time.Duration) C.uint32_t { return C.uint32_t(min(max(d, 0).Milliseconds(), 1<<32-1)) }
	return func(o *tailerOptions) { o.c.poll_min_ms, o.c.poll_max_ms = ms(shortest), ms(longest) }
}

func flag(on bool) C.uint8_t {
	if on {
		return 1
	}
	return 0
}
