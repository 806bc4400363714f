// Package weir makes Arrow record batches durable in write-ahead logs on local disk, S3, Google Cloud Storage or Azure: written ahead,
// fenced, ordered, replayable, and tailed from anywhere. It is the Go binding of the C library libweir.
//
//	session, err := weir.NewSession()
//	w, err := weir.OpenWriter(ctx, session, "s3://bucket/events", shard, schema)
//	ack, err := w.Put(ctx, record) // durable when it returns
//	for entry, err := range weir.Tail(ctx, session, "s3://bucket/events", shard, weir.From(ack.Position)) {
//		for record, err := range entry.Batches() { … }
//	}
//
// The rows of a shard are a table, too: Writer.Scan and Writer.Get read what was put at once, with WithPrimaryKey a put replaces rows of the
// same key and Writer.Delete deletes them, and OpenSnapshot reads the table from any process, without a claim on the shard. WithoutMemTable
// is for writers of what is only tailed.
//
//	w, err := weir.OpenWriter(ctx, session, root, shard, schema, weir.WithPrimaryKey("id"))
//	for rows, err := range w.Scan(ctx, weir.Where("id", weir.GE, 100)) { … }
//	states, rows, err := w.Get(ctx, keys)
//
// Beside the logs there are spills, scratch space below a cap for what does not fit into memory (SpillStore), and a cache whose backend may
// be the program's own (Cache, CacheBackend).
//
// # Goroutines and threads
//
// Everything may be used from any goroutine, and everything that may wait takes a context, which is obeyed also in the midst of the wait.
// A goroutine that waits holds no thread: calls are asynchronous in C and complete into one queue, which one goroutine drains through the
// runtime's network poller. Ten thousand goroutines that put durably share a handful of threads, and their puts share entries. Spills in
// memory and on a local disk are the exception: these are written and read on the caller's thread, as files are, and so are the rows of gets
// and scans.
//
// # Lifetimes
//
// What has a Close or a Release is to be closed or released; nothing is freed by the garbage collector, which only tells of what was
// forgotten (see OnLeak). Closing is safe while other goroutines are in a call: each returns its result or ErrClosed.
//
// A record batch that is put may be released as soon as the call returns, whoever allocated it. Its buffers are shared with C until it is
// durable, so they must not be written to; Go's memory is pinned for that time, as cgo demands.
//
// Batches that are read share their entry's memory and hold it until they are released. Retain what outlives a loop.
//
// # Errors
//
// Errors are of the type *Error, which says what happened, what to do about it, and the numbers concerned. errors.Is tells them apart:
// ErrFenced, ErrBackpressure and so on, but also context.DeadlineExceeded or fs.ErrNotExist where that is what happened. errors.As gives a
// *CapExceededError for a spill that a cap refused.
package weir
