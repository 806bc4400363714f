package weir_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-db/weir/bindings/go/weir"
)

const shard = "6f1e8f0a-54c2-4c1e-9d55-0b1e7c2a9a10"

var schema = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "name", Type: arrow.BinaryTypes.String},
}, nil)

func newRecord(id int64, names ...string) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i, name := range names {
		b.Field(0).(*array.Int64Builder).Append(id + int64(i))
		b.Field(1).(*array.StringBuilder).Append(name)
	}
	return b.NewRecordBatch()
}

// Put a batch durably and read it back.
func Example() {
	ctx := context.Background()
	session, err := weir.NewSession()
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()

	w, err := weir.OpenWriter(ctx, session, "memory://example", shard, schema) // fences any older writer
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	record := newRecord(1, "ada", "grace")
	defer record.Release()
	ack, err := w.Put(ctx, record) // durable when it returns
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("put at position", ack.Position)

	for entry, err := range weir.Tail(ctx, session, "memory://example", shard) {
		if err != nil {
			log.Fatal(err)
		}
		for record, err := range entry.Batches() {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println("position", entry.Position(), record.Column(1))
		}
	}
	// Output:
	// put at position 1
	// position 1 ["ada" "grace"]
}

// Errors say what happened and what to do about it.
func ExampleError() {
	ctx := context.Background()
	session, _ := weir.NewSession()
	defer session.Close()
	old, _ := weir.OpenWriter(ctx, session, "memory://example-error", shard, schema)
	defer old.Close()
	successor, _ := weir.OpenWriter(ctx, session, "memory://example-error", shard, schema)
	defer successor.Close()

	record := newRecord(1, "late")
	defer record.Release()
	_, err := old.Put(ctx, record)
	var e *weir.Error
	if errors.Is(err, weir.ErrFenced) && errors.As(err, &e) {
		epoch, _ := e.Details.Uint64("fenced_by_epoch")
		fmt.Println(e.Code, "by epoch", epoch, "so", e.Action)
	}
	// Output: WEIR_STATUS_FENCED by epoch 2 so stop
}

// Goroutines share a writer; their puts share entries.
func ExampleWriter_Put() {
	ctx := context.Background()
	session, _ := weir.NewSession()
	defer session.Close()
	w, _ := weir.OpenWriter(ctx, session, "memory://example-put", shard, schema)

	var group sync.WaitGroup
	for i := range int64(1000) {
		group.Go(func() {
			record := newRecord(i, "someone")
			defer record.Release()
			if _, err := w.Put(ctx, record); err != nil {
				log.Print(err)
			}
		})
	}
	group.Wait()
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	stats, _ := w.Stats()
	fmt.Println(stats.Puts, "puts,", stats.PendingPuts, "pending")
	// Output: 1000 puts, 0 pending
}

// One goroutine has many puts under way at once.
func ExampleWriter_PutAsync() {
	ctx := context.Background()
	session, _ := weir.NewSession()
	defer session.Close()
	w, _ := weir.OpenWriter(ctx, session, "memory://example-async", shard, schema)
	defer w.Close()
	var pending []*weir.Pending
	for i := range int64(3) {
		record := newRecord(i, "someone")
		p, err := w.PutAsync(record)
		record.Release()
		if errors.Is(err, weir.ErrBackpressure) {
			// shed the load, or w.WaitCapacity(ctx, …) and try again
		} else if err != nil {
			log.Fatal(err)
		}
		pending = append(pending, p)
	}
	for _, p := range pending {
		ack, err := p.Wait(ctx)
		fmt.Println(ack.Sequence, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
}

// A tail that follows ends with its context.
func ExampleTail() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	session, _ := weir.NewSession()
	defer session.Close()
	a, _ := weir.OpenAppender(ctx, session, "memory://example-tail", shard, schema)
	defer a.Close()
	go func() {
		for i, name := range []string{"one", "two", "three"} {
			record := newRecord(int64(i), name)
			a.Append(ctx, record)
			record.Release()
		}
	}()
	for entry, err := range weir.Tail(ctx, session, "memory://example-tail", shard, weir.Follow(), weir.From(1)) {
		if errors.Is(err, context.Canceled) {
			break
		}
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println("position", entry.Position(), "rows", entry.Rows())
		if entry.Position() == 3 {
			cancel()
		}
	}
	// Output:
	// position 1 rows 1
	// position 2 rows 1
	// position 3 rows 1
}

// A put waits no longer than its context; what the error is says whether the batch was accepted.
func ExampleWriter_Put_deadline() {
	session, _ := weir.NewSession(weir.WithStoreSetting("weir_simulated_latency_ms", "50"))
	defer session.Close()
	w, _ := weir.OpenWriter(context.Background(), session, "memory://example-deadline", shard, schema)
	defer w.Close()
	record := newRecord(1, "slow")
	defer record.Release()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := w.Put(ctx, record)
	switch {
	case errors.Is(err, weir.ErrBackpressure):
		fmt.Println("there was no room: nothing was accepted")
	case errors.Is(err, weir.ErrOutcomeUnknown):
		fmt.Println("it was accepted, and may still become durable")
	}
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// it was accepted, and may still become durable
	// true
}

// Weir's messages go to a slog.Logger.
func ExampleSetLogger() {
	handler := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.MessageKey {
			return slog.Attr{}
		}
		return a
	}})
	weir.SetLogger(slog.New(handler))
	defer weir.SetLogger(nil)
	ctx := context.Background()
	session, _ := weir.NewSession()
	defer session.Close()
	a, err := weir.OpenAppender(ctx, session, "memory://example-log", shard, schema)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	// Output: level=INFO target=weir::wal::appender
}

// What does not fit into memory is spilled, below a cap, and read back from anywhere in it.
func ExampleSpillStore() {
	ctx := context.Background()
	store, err := weir.NewSpillStore(nil, weir.OnLocalDisk(""), weir.WithCap(1000))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	w, err := store.Begin(ctx, weir.Encrypted())
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close() // deletes it, unless it was finished
	fmt.Fprint(w, "a sorted run")
	_, err = w.Write(make([]byte, 2000))
	var by *weir.CapExceededError
	if errors.As(err, &by) { // nothing of it was taken, and the writer goes on
		fmt.Println("refused: the cap is", by.Cap)
	}
	spill, err := w.Finish()
	if err != nil {
		log.Fatal(err)
	}
	defer spill.Close() // deletes it
	run := make([]byte, 6)
	if _, err := spill.ReadAt(run, 2); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, %d bytes\n", run, spill.Len())
	// Output:
	// refused: the cap is 1000
	// sorted, 12 bytes
}

// Batches are spilled, and read back one by one or all.
func ExampleSpillStore_BeginBatches() {
	ctx := context.Background()
	store, _ := weir.NewSpillStore(nil, weir.InMemory())
	defer store.Close()
	w, _ := store.BeginBatches(ctx, schema, weir.WithCompression(weir.CompressionLZ4))
	defer w.Close()
	for i, name := range []string{"ada", "grace"} {
		record := newRecord(int64(i), name)
		if err := w.WriteBatch(record); err != nil {
			log.Fatal(err)
		}
		record.Release()
	}
	spill, err := w.Finish()
	if err != nil {
		log.Fatal(err)
	}
	defer spill.Close()
	for record, err := range spill.Batches(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(record.Column(1))
	}
	// Output:
	// ["ada"]
	// ["grace"]
}

// Goroutines that want the same value load it once.
func ExampleCache_GetOrInsert() {
	ctx := context.Background()
	cache, _ := weir.NewCache(weir.WithCapacity(64 << 20))
	defer cache.Close()
	key := weir.CacheKey{Prefix: "tables/events", Key: "footer"}
	for range 2 {
		value, cached, err := cache.GetOrInsert(ctx, key, func(ctx context.Context) (weir.CacheItem, error) {
			return weir.BytesItem([]byte("read from far away")), nil
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(value.Bytes()), cached)
		value.Release()
	}
	if err := cache.InvalidatePrefix(ctx, "tables/"); err != nil {
		log.Fatal(err)
	}
	// Output:
	// read from far away false
	// read from far away true
}

func newKeys(ids ...int64) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(schema.Fields()[:1], nil))
	defer b.Release()
	b.Field(0).(*array.Int64Builder).AppendValues(ids, nil)
	return b.NewRecordBatch()
}

// With a primary key a shard is a table: what is put again replaces what was.
func ExampleWriter_Scan() {
	ctx := context.Background()
	session, _ := weir.NewSession()
	defer session.Close()
	w, err := weir.OpenWriter(ctx, session, "memory://example-scan", shard, schema, weir.WithPrimaryKey("id"))
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	for _, record := range []arrow.RecordBatch{newRecord(1, "ada", "grace", "edsger"), newRecord(2, "barbara")} {
		if _, err := w.Put(ctx, record); err != nil {
			log.Fatal(err)
		}
		record.Release()
	}
	for rows, err := range w.Scan(ctx, weir.Where("id", weir.LT, 3), weir.Columns("name")) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(rows.Column(0))
	}
	// Output: ["ada" "barbara"]
}

// Rows are got and deleted by their keys.
func ExampleWriter_Get() {
	ctx := context.Background()
	session, _ := weir.NewSession()
	defer session.Close()
	w, err := weir.OpenWriter(ctx, session, "memory://example-get", shard, schema, weir.WithPrimaryKey("id"))
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	record, gone, keys := newRecord(1, "ada", "grace", "edsger"), newKeys(2), newKeys(3, 2, 9)
	defer record.Release()
	defer gone.Release()
	defer keys.Release()
	if _, err := w.Put(ctx, record); err != nil {
		log.Fatal(err)
	}
	if _, err := w.Delete(ctx, gone); err != nil {
		log.Fatal(err)
	}
	states, rows, err := w.Get(ctx, keys, "name")
	if err != nil {
		log.Fatal(err)
	}
	defer rows.Release()
	fmt.Println(states, rows.Column(0))
	// Output: [found deleted missing] ["edsger"]
}

// What is flushed can be read without the log, and is merged when there is much of it.
func ExampleWriter_Freeze() {
	ctx := context.Background()
	session, _ := weir.NewSession()
	defer session.Close()
	w, err := weir.OpenWriter(ctx, session, "memory://example-freeze", shard, schema, weir.WithPrimaryKey("id"), weir.WithoutCompaction())
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	for id := range int64(4) {
		record := newRecord(id, "someone")
		if _, err := w.Put(ctx, record); err != nil {
			log.Fatal(err)
		}
		record.Release()
		generation, err := w.Freeze() // and flush, in the background
		if err != nil {
			log.Fatal(err)
		}
		if err := w.WaitFlushed(ctx, generation); err != nil {
			log.Fatal(err)
		}
	}
	merges, err := w.Compact(ctx)
	if err != nil {
		log.Fatal(err)
	}
	stats, _ := w.MemTableStats()
	fmt.Println(stats.Flushes, "flushes,", merges, "merge,", stats.Generations, "generation is left")
	// Output: 4 flushes, 1 merge, 1 generation is left
}

// Another process reads what there is, and follows what comes after it, without gap or overlap.
func ExampleOpenSnapshot() {
	ctx := context.Background()
	session, _ := weir.NewSession()
	defer session.Close()
	w, err := weir.OpenWriter(ctx, session, "memory://example-snapshot", shard, schema, weir.WithPrimaryKey("id"))
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	put := func(id int64, names ...string) {
		record := newRecord(id, names...)
		defer record.Release()
		if _, err := w.Put(ctx, record); err != nil {
			log.Fatal(err)
		}
	}
	put(1, "ada", "grace")
	snapshot, err := weir.OpenSnapshot(ctx, session, "memory://example-snapshot", shard)
	if err != nil {
		log.Fatal(err)
	}
	defer snapshot.Close()
	put(2, "barbara")
	for rows, err := range snapshot.Scan(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("then", rows.Column(1))
	}
	for entry, err := range weir.Tail(ctx, session, "memory://example-snapshot", shard, weir.From(snapshot.CutPosition()+1)) {
		if err != nil {
			log.Fatal(err)
		}
		for record, err := range entry.Batches() {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println("since", record.Column(1))
		}
	}
	// Output:
	// then ["ada" "grace"]
	// since ["barbara"]
}
