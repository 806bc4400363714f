// What weir promises, shown on real data: a child process puts batches durably and is killed with SIGKILL half-way; the parent opens the
// shard again, finds every acknowledged row (and at most the one batch that was under way), puts the rest, reads everything back and
// compares it with the source. Then a second shard shows what a primary key gives: upserts, deletes, gets and scans.
//
//	quickstart [FILE.arrow [DIRECTORY]]      the directory is a fresh one, removed at the end, unless one is given
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/uuid"

	"github.com/weir-db/weir/bindings/go/weir"
)

const defaultFile = "examples/data/flights.arrow"

func main() {
	args := os.Args[1:]
	var err error
	switch {
	case len(args) == 4 && args[0] == "--ingest":
		err = ingest(args[1], args[2], args[3])
	case len(args) > 2 || len(args) > 0 && args[0][0] == '-':
		fmt.Fprintf(os.Stderr, "usage: %s [FILE.arrow [DIRECTORY]]\n", os.Args[0])
		os.Exit(2)
	default:
		err = story(append(args, defaultFile)[0], args)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// source reads all batches of a file.
func source(file string) (*arrow.Schema, []arrow.RecordBatch, error) {
	reader, err := weir.OpenIPC(file)
	if err != nil {
		return nil, nil, err
	}
	defer reader.Release()
	var batches []arrow.RecordBatch
	for reader.Next() {
		batch := reader.RecordBatch()
		batch.Retain()
		batches = append(batches, batch)
	}
	return reader.Schema(), batches, reader.Err()
}

func rowsOf(batches []arrow.RecordBatch) (rows int64) {
	for _, b := range batches {
		rows += b.NumRows()
	}
	return rows
}

// ingest is the child: it puts the whole file and tells the parent of every acknowledgement, until it is killed.
func ingest(file, root, shard string) error {
	ctx := context.Background()
	schema, batches, err := source(file)
	if err != nil {
		return err
	}
	session, err := weir.NewSession()
	if err != nil {
		return err
	}
	w, err := weir.OpenWriter(ctx, session, root, shard, schema)
	if err != nil {
		return err
	}
	fmt.Println("open", w.Epoch())
	for i, batch := range batches {
		began := time.Now()
		ack, err := w.Put(ctx, batch) // returns when the batch is on disk
		if err != nil {
			return err
		}
		fmt.Println("ack", i+1, ack.Position, batch.NumRows(), time.Since(began).Nanoseconds())
	}
	for { // the parent was slower than the disk: its kill is on the way. Should it have died, the pipe says so
		time.Sleep(time.Second)
		if _, err := fmt.Println("done"); err != nil {
			return err
		}
	}
}

// killed is what the child was told before it died.
type killed struct {
	epoch, position uint64
	batches         int
	rows            int64
}

// ingestAndKill starts the child and kills it as soon as half of the batches were acknowledged.
func ingestAndKill(file, root, shard string, half int) (k killed, err error) {
	self, err := os.Executable()
	if err != nil {
		return k, err
	}
	child := exec.Command(self, "--ingest", file, root, shard)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		return k, err
	}
	if err := child.Start(); err != nil {
		return k, err
	}
	var slowest int64
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var rows, ns int64
		if _, err := fmt.Sscanf(lines.Text(), "open %d", &k.epoch); err == nil {
			fmt.Printf("   process %d opened the shard: epoch %d\n", child.Process.Pid, k.epoch)
		} else if _, err := fmt.Sscanf(lines.Text(), "ack %d %d %d %d", &k.batches, &k.position, &rows, &ns); err == nil {
			k.rows += rows
			slowest = max(slowest, ns)
			if k.batches == half {
				child.Process.Kill()
			}
		}
	}
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		return k, fmt.Errorf("the child failed: %w", err)
	}
	fmt.Printf("   %d rows were acknowledged (%d batches), the last at position %d, none later than %v\n   killed by SIGKILL\n",
		k.rows, k.batches, k.position, time.Duration(slowest).Round(10*time.Microsecond))
	return k, nil
}

// readLog reads all batches of the log, and prints what its entries are.
func readLog(ctx context.Context, session *weir.Session, root, shard string) (batches []arrow.RecordBatch, err error) {
	for entry, err := range weir.Tail(ctx, session, root, shard, weir.From(1)) {
		if err != nil {
			return nil, err
		}
		if entry.IsSentinel() {
			fmt.Printf("   position %d, epoch %d: a fence, with which an append of an older writer collides\n", entry.Position(), entry.Epoch())
		}
		for batch, err := range entry.Batches() {
			if err != nil {
				return nil, err
			}
			batch.Retain()
			batches = append(batches, batch)
		}
	}
	return batches, nil
}

// same compares batches one by one.
func same(got, want []arrow.RecordBatch) error {
	if len(got) > len(want) {
		return fmt.Errorf("%d batches are in the log, of %d", len(got), len(want))
	}
	for i := range got {
		if !array.RecordEqual(got[i], want[i]) {
			return fmt.Errorf("batch %d in the log is not the source's", i+1)
		}
	}
	return nil
}

func release(batches []arrow.RecordBatch) {
	for _, b := range batches {
		b.Release()
	}
}

func story(file string, args []string) error {
	ctx := context.Background()
	schema, batches, err := source(file)
	if err != nil {
		return err
	}
	defer release(batches)
	if len(batches) == 0 {
		return fmt.Errorf("%s has no batches", file)
	}
	root := ""
	if len(args) > 1 {
		root = args[1]
	} else if root, err = os.MkdirTemp("", "weir-quickstart-"); err != nil {
		return err
	} else {
		defer os.RemoveAll(root)
	}
	shard := uuid.NewString() // every run has a shard of its own
	fmt.Printf("weir %s  %s\n      %s\n\n", weir.Version(), file, filepath.Join(root, "_mem_wal", shard))

	fmt.Println("1  A process puts batches durably, and is killed half-way")
	k, err := ingestAndKill(file, root, shard, (len(batches)+1)/2)
	if err != nil {
		return err
	}

	fmt.Println("\n2  The shard is opened again")
	session, err := weir.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	began := time.Now()
	w, err := weir.OpenWriter(ctx, session, root, shard, schema)
	if err != nil {
		return err
	}
	defer w.Close()
	fmt.Printf("   epoch %d, in %v: the killed writer could no longer append, were it still alive\n", w.Epoch(), time.Since(began).Round(10*time.Microsecond))
	if w.Epoch() <= k.epoch {
		return errors.New("the epoch did not rise")
	}
	landed, err := readLog(ctx, session, root, shard)
	if err != nil {
		return err
	}
	defer release(landed)
	if len(landed) < k.batches {
		return fmt.Errorf("LOST: %d batches were acknowledged, %d are in the log", k.batches, len(landed))
	}
	if err := same(landed, batches); err != nil {
		return fmt.Errorf("TORN: %w", err)
	}
	fmt.Printf("   found %d rows: all that were acknowledged, and they are the source's first\n", rowsOf(landed))

	fmt.Println("\n3  The rest is put")
	for _, batch := range batches[len(landed):] {
		if _, err := w.Put(ctx, batch); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	fmt.Printf("   %d rows\n", rowsOf(batches[len(landed):]))

	fmt.Println("\n4  Everything is read back")
	all, err := readLog(ctx, session, root, shard)
	if err != nil {
		return err
	}
	defer release(all)
	if err := same(all, batches); err != nil || len(all) != len(batches) {
		return fmt.Errorf("DIFFERENT: %d of %d batches: %w", len(all), len(batches), err)
	}
	fmt.Printf("\nEqual: %d rows of %d columns, none lost, none doubled, none torn.\n", rowsOf(all), schema.NumFields())

	fmt.Println("\n5  A shard with a primary key")
	return table(ctx, session, root, schema, batches)
}

// table shows that a shard with a primary key is one: a put replaces rows of the same key, rows can be deleted, got and scanned at once.
func table(ctx context.Context, session *weir.Session, root string, schema *arrow.Schema, batches []arrow.RecordBatch) error {
	for _, name := range []string{"carrier", "flight", "distance"} {
		if !schema.HasField(name) {
			fmt.Println("   not shown: the file has no carriers, flights and distances")
			return nil
		}
	}
	w, err := weir.OpenWriter(ctx, session, root, uuid.NewString(), schema, weir.WithPrimaryKey("carrier"))
	if err != nil {
		return err
	}
	defer w.Close()
	for _, batch := range batches {
		if _, err := w.Put(ctx, batch); err != nil {
			return err
		}
	}
	fmt.Println("   upsert: the file's last flight of each carrier is what is left")
	left, err := printFlights(ctx, w)
	if err != nil {
		return err
	}

	keys, err := keysOf(w, "US")
	if err != nil {
		return err
	}
	defer keys.Release()
	if _, err := w.Delete(ctx, keys); err != nil {
		return err
	}
	states, rows, err := w.Get(ctx, keys)
	if err != nil {
		return err
	}
	defer rows.Release()
	if states[0] != weir.KeyDeleted || rows.NumRows() != 0 {
		return errors.New("a row that was deleted is still there")
	}
	fmt.Printf("   delete US: a get says %v, with no row\n", states[0])

	fmt.Println("   scan where distance >= 2000")
	far, err := printFlights(ctx, w, weir.Where("distance", weir.GE, 2000))
	if err != nil {
		return err
	}
	if far >= left {
		return errors.New("the scan gave too much")
	}
	return w.Close() // what is in memory becomes a generation, which outlives the log
}

// keysOf makes a batch of keys, which are carriers.
func keysOf(w *weir.Writer, carriers ...string) (arrow.RecordBatch, error) {
	schema, err := w.KeySchema()
	if err != nil {
		return nil, err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for _, carrier := range carriers {
		if err := b.Field(0).AppendValueFromString(carrier); err != nil {
			return nil, err
		}
	}
	return b.NewRecordBatch(), nil
}

// printFlights scans carriers and flight numbers, and returns how many there were.
func printFlights(ctx context.Context, w *weir.Writer, where ...weir.ScanOption) (rows int64, err error) {
	fmt.Print("  ")
	for batch, err := range w.Scan(ctx, append(where, weir.Columns("carrier", "flight"))...) {
		if err != nil {
			return 0, err
		}
		for i := range int(batch.NumRows()) {
			fmt.Printf(" %s %s ", batch.Column(0).ValueStr(i), batch.Column(1).ValueStr(i))
		}
		rows += batch.NumRows()
	}
	fmt.Println()
	return rows, nil
}
