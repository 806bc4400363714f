// A program as a user of the Go package would write it: `write` puts 100 rows durably and kills itself, `tail` counts what is there.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"syscall"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/weir-db/weir/bindings/go/weir"
)

const (
	shard = "0c8f7a52-7c58-4d0e-9a52-3e9f2a6b1c44"
	rows  = 100
)

func write(ctx context.Context, session *weir.Session, root string) error {
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil)
	writer, err := weir.OpenWriter(ctx, session, root, shard, schema)
	if err != nil {
		return err
	}
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer builder.Release()
	for n := range rows {
		builder.Field(0).(*array.Int64Builder).Append(int64(n))
		record := builder.NewRecordBatch()
		_, err := writer.Put(ctx, record)
		record.Release()
		if err != nil {
			return err
		}
	}
	return syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

func tail(ctx context.Context, session *weir.Session, root string) error {
	tailer, err := weir.OpenTailer(session, root, shard)
	if err != nil {
		return err
	}
	defer tailer.Close()
	var found uint64
	for entry, err := range tailer.Entries(ctx) {
		if err != nil {
			return err
		}
		found += entry.Rows()
		entry.Release()
	}
	fmt.Printf("%d rows by weir %s\n", found, weir.Version())
	if found != rows {
		return fmt.Errorf("found %d rows, want %d", found, rows)
	}
	return nil
}

func main() {
	session, err := weir.NewSession()
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	run := map[string]func(context.Context, *weir.Session, string) error{"write": write, "tail": tail}[os.Args[1]]
	if err := run(context.Background(), session, os.Args[2]); err != nil {
		log.Fatal(err)
	}
}
