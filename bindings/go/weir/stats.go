package weir

// #include "shim.h"
import "C"

import "time"

// Requests counts requests to the store, by all that share it through the session.
type Requests struct {
	// Create counts writes that fail if the object exists.
	Create uint64
	// Put counts plain writes.
	Put uint64
	// Get counts reads.
	Get uint64
	// Head counts questions whether an object exists.
	Head uint64
	// List counts listings.
	List uint64
	// Delete counts deletions.
	Delete uint64
}

// WriterStats is what a writer has done since it was opened.
type WriterStats struct {
	// Puts admitted, their rows, and their bytes as encoded.
	Puts, Rows, Bytes uint64
	// Entries appended, and the bytes of their objects.
	Entries, EntryBytes uint64
	// PendingPuts were admitted and are not durable; PendingBytes are those that wait or are being written.
	PendingPuts, PendingBytes uint64
	// Requests to the store.
	Requests Requests
	// Retries of appends, Conflicts (positions found taken by others), and appends that were Settled: their answer was lost, and they
	// turned out to have landed.
	Retries, Conflicts, Settled uint64
	// Blocked is the time that puts spent waiting for room, BlockedWaits how many did, and BlockedNow how many do. Puts of this package
	// that wait for room do so by WaitCapacity, which does not count here.
	Blocked                  time.Duration
	BlockedWaits, BlockedNow uint64
	// From a put's call to its acknowledgement: the median, the 99th percentile, the longest.
	PutP50, PutP99, PutMax time.Duration
	// Of an append: the median, the 99th percentile, the longest.
	AppendP50, AppendP99, AppendMax time.Duration
	// Puts per entry: the median, the 99th percentile, the most.
	GroupP50, GroupP99, GroupMax uint64
}

// Stats returns what the writer has done. It answers also after the writer failed or was closed.
func (w *Writer) Stats() (WriterStats, error) {
	writer, err := w.use()
	if err != nil {
		return w.end().stats, nil
	}
	defer w.h.put()
	return statsOf(writer)
}

func statsOf(writer *C.WeirWriter) (WriterStats, error) {
	s := C.WeirWriterStats{struct_size: C.sizeof_WeirWriterStats}
	var cErr *C.WeirError
	if err := takeError(C.weir_writer_stats(writer, &s, &cErr), cErr); err != nil {
		return WriterStats{}, err
	}
	return WriterStats{
		Puts: uint64(s.puts), Rows: uint64(s.rows), Bytes: uint64(s.bytes),
		Entries: uint64(s.entries), EntryBytes: uint64(s.entry_bytes),
		PendingPuts: uint64(s.pending_puts), PendingBytes: uint64(s.pending_bytes),
		Requests: Requests{
			Create: uint64(s.requests_create), Put: uint64(s.requests_put), Get: uint64(s.requests_get),
			Head: uint64(s.requests_head), List: uint64(s.requests_list), Delete: uint64(s.requests_delete),
		},
		Retries: uint64(s.retries), Conflicts: uint64(s.conflicts), Settled: uint64(s.settled),
		Blocked: time.Duration(s.blocked_ns), BlockedWaits: uint64(s.blocked_waits), BlockedNow: uint64(s.blocked_now),
		PutP50: time.Duration(s.put_p50_ns), PutP99: time.Duration(s.put_p99_ns), PutMax: time.Duration(s.put_max_ns),
		AppendP50: time.Duration(s.append_p50_ns), AppendP99: time.Duration(s.append_p99_ns), AppendMax: time.Duration(s.append_max_ns),
		GroupP50: uint64(s.group_p50), GroupP99: uint64(s.group_p99), GroupMax: uint64(s.group_max),
	}, nil
}

// WriterMemory is the memory that a writer holds, in bytes.
type WriterMemory struct {
	// Pending was admitted and is not yet in an entry.
	Pending uint64
	// InFlight is in the entry that is being appended.
	InFlight uint64
	// Reserved was granted to puts that were waiting for room.
	Reserved uint64
	// Limit is that on the sum of these three.
	Limit uint64
	// MemTable is in the MemTable that is filled.
	MemTable uint64
	// Frozen is in MemTables that are frozen and not flushed.
	Frozen uint64
	// Kept is in MemTables that were flushed and stay for a while.
	Kept uint64
	// UnflushedLimit is that on what is filled and frozen; 0 without MemTables.
	UnflushedLimit uint64
}

// Memory returns the memory that the writer holds. It answers also after the writer failed or was closed.
func (w *Writer) Memory() (WriterMemory, error) {
	writer, err := w.use()
	if err != nil {
		return w.end().memory, nil
	}
	defer w.h.put()
	return memoryOf(writer)
}

func memoryOf(writer *C.WeirWriter) (WriterMemory, error) {
	m := C.WeirWriterMemory{struct_size: C.sizeof_WeirWriterMemory}
	var cErr *C.WeirError
	if err := takeError(C.weir_writer_memory(writer, &m, &cErr), cErr); err != nil {
		return WriterMemory{}, err
	}
	return WriterMemory{
		Pending: uint64(m.pending_bytes), InFlight: uint64(m.in_flight_bytes), Reserved: uint64(m.reserved_bytes), Limit: uint64(m.limit_bytes),
		MemTable: uint64(m.memtable_bytes), Frozen: uint64(m.frozen_bytes), Kept: uint64(m.kept_bytes), UnflushedLimit: uint64(m.unflushed_limit_bytes),
	}, nil
}

// MemTableStats is what a writer's MemTables and generations hold and have done.
type MemTableStats struct {
	// ActiveGeneration is the generation that the MemTable becomes that is filled.
	ActiveGeneration uint64
	// Its rows, with superseded ones and deletions, its batches, and the memory that it takes.
	ActiveRows, ActiveBatches, ActiveBytes uint64
	// MemTables that are frozen and not flushed, their rows, and the memory that they take.
	FrozenTables, FrozenRows, FrozenBytes uint64
	// KeptBytes is the memory of MemTables that were flushed and stay for a while: see WithFrozenGrace.
	KeptBytes uint64
	// PublishedGeneration is the newest generation that the writer knows as published; 0 = none.
	PublishedGeneration uint64
	// Generations is how many reads look into.
	Generations uint64
	// MemTables flushed by this writer, and attempts at that which failed.
	Flushes, FlushFailures uint64
	// Rows flushed, and the bytes of their objects.
	FlushedRows, FlushedBytes uint64
	// Merges of generations, those in the background that failed, and the generations that were merged.
	Compactions, CompactionFailures, CompactedGenerations uint64
	// Entries of the log whose rows came back when the writer was opened, and those rows.
	ReplayedEntries, ReplayedRows uint64
}

// MemTableStats returns what the writer's MemTables hold and have done; ErrUnsupported without MemTables. It answers also after the writer
// failed or was closed.
func (w *Writer) MemTableStats() (MemTableStats, error) {
	writer, err := w.use()
	if err != nil {
		end := w.end()
		return end.tables, end.noTables
	}
	defer w.h.put()
	return memTableStatsOf(writer)
}

func memTableStatsOf(writer *C.WeirWriter) (MemTableStats, error) {
	s := C.WeirMemTableStats{struct_size: C.sizeof_WeirMemTableStats}
	var cErr *C.WeirError
	if err := takeError(C.weir_writer_memtable_stats(writer, &s, &cErr), cErr); err != nil {
		return MemTableStats{}, err
	}
	return MemTableStats{
		ActiveGeneration: uint64(s.active_generation),
		ActiveRows:       uint64(s.active_rows), ActiveBatches: uint64(s.active_batches), ActiveBytes: uint64(s.active_bytes),
		FrozenTables: uint64(s.frozen_tables), FrozenRows: uint64(s.frozen_rows), FrozenBytes: uint64(s.frozen_bytes),
		KeptBytes: uint64(s.kept_bytes), PublishedGeneration: uint64(s.published_generation), Generations: uint64(s.generations),
		Flushes: uint64(s.flushes), FlushFailures: uint64(s.flush_failures),
		FlushedRows: uint64(s.flushed_rows), FlushedBytes: uint64(s.flushed_bytes),
		Compactions: uint64(s.compactions), CompactionFailures: uint64(s.compaction_failures), CompactedGenerations: uint64(s.compacted_generations),
		ReplayedEntries: uint64(s.replayed_entries), ReplayedRows: uint64(s.replayed_rows),
	}, nil
}
