package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-db/weir/bindings/go/weir"
)

// The media types of bodies.
const (
	arrowStream = "application/vnd.apache.arrow.stream"
	ndjson      = "application/x-ndjson"
)

// decode reads a request's body as one batch, and says how long it was.
func (s *service) decode(w http.ResponseWriter, r *http.Request) (record arrow.RecordBatch, size int64, err error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != arrowStream && kind != ndjson {
		return nil, 0, refuse(http.StatusUnsupportedMediaType, "the Content-Type must be %s or %s", arrowStream, ndjson)
	}
	body, err := s.body(w, r)
	if err != nil {
		return nil, 0, err
	}
	if kind == ndjson {
		record, err = fromJSON(body, s.schema)
	} else {
		record, err = fromIPC(body, s.schema)
	}
	if err != nil {
		return nil, 0, err
	}
	if record.NumRows() == 0 {
		record.Release()
		return nil, 0, refuse(http.StatusBadRequest, "the body has no rows")
	}
	return record, int64(len(body)), nil
}

// body reads a request's body, unpacked, up to its limit.
func (s *service) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := s.config.maxBody
	var from io.Reader = http.MaxBytesReader(w, r.Body, limit)
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip":
		unpacked, err := gzip.NewReader(from)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "the body is not gzip: %v", err)
		}
		from = io.LimitReader(unpacked, limit+1)
	default:
		return nil, refuse(http.StatusUnsupportedMediaType, "the Content-Encoding %q is not known", encoding)
	}
	body, err := io.ReadAll(from)
	var large *http.MaxBytesError
	if errors.As(err, &large) || int64(len(body)) > limit {
		return nil, refuse(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", limit)
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the body broke off: %v", err)
	}
	return body, nil
}

// fromJSON makes a batch of lines of JSON objects. What the schema does not know is left out; what a line does not have is null.
func fromJSON(body []byte, schema *arrow.Schema) (record arrow.RecordBatch, err error) {
	defer func() {
		if p := recover(); p != nil { // a library that gives up on a value
			record, err = nil, refuse(http.StatusBadRequest, "the JSON does not fit the schema: %v", p)
		}
	}()
	lines, rows := 0, int64(0)
	for line := range bytes.Lines(body) {
		lines++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if line[0] != '{' || !json.Valid(line) { // the reader below would take a line that breaks off for the end
			return nil, refuse(http.StatusBadRequest, "line %d is not a JSON object", lines)
		}
		rows++
	}
	if rows == 0 {
		return nil, refuse(http.StatusBadRequest, "the body has no rows")
	}
	reader := array.NewJSONReader(bytes.NewReader(body), schema, array.WithChunk(-1))
	defer reader.Release()
	if more := reader.Next(); !more || reader.Err() != nil && !errors.Is(reader.Err(), io.EOF) {
		return nil, refuse(http.StatusBadRequest, "the JSON does not fit the schema: %v", reader.Err())
	}
	record = reader.RecordBatch()
	if record.NumRows() != rows {
		return nil, refuse(http.StatusBadRequest, "the JSON does not fit the schema: row %d", record.NumRows()+1)
	}
	for i, field := range schema.Fields() {
		if n := record.Column(i).NullN(); n > 0 && !field.Nullable {
			return nil, refuse(http.StatusBadRequest, "%d of %d rows have no %q", n, rows, field.Name)
		}
	}
	record.Retain()
	return record, nil
}

// fromIPC makes a batch of an Arrow IPC stream or file: all of its batches in one. It is weir's reader that reads it, as that takes strangers'
// bytes: arrow-go's allocates what a damaged message asks for, which no recover helps against. It reads files, so the body becomes one.
func fromIPC(body []byte, schema *arrow.Schema) (arrow.RecordBatch, error) {
	file, err := os.CreateTemp("", "ingest-*.arrow")
	if err != nil {
		return nil, err
	}
	path := file.Name()
	defer os.Remove(path)
	_, err = file.Write(body)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	damaged := func(err error) error {
		return refuse(http.StatusBadRequest, "the Arrow stream cannot be read: %s", strings.ReplaceAll(err.Error(), path, "the body"))
	}
	reader, err := weir.OpenIPC(path)
	if err != nil {
		return nil, damaged(err)
	}
	defer reader.Release()
	if err := sameFields(reader.Schema(), schema); err != nil {
		return nil, err
	}
	var batches []arrow.RecordBatch
	defer func() {
		for _, b := range batches {
			b.Release()
		}
	}()
	for reader.Next() {
		batch := reader.RecordBatch()
		batch.Retain()
		batches = append(batches, batch)
	}
	if err := reader.Err(); err != nil {
		return nil, damaged(err)
	}
	return concatenate(batches, schema)
}

func sameFields(got, want *arrow.Schema) error {
	if got.NumFields() != want.NumFields() {
		return refuse(http.StatusBadRequest, "the stream has %d columns, the shard %d", got.NumFields(), want.NumFields())
	}
	for i, field := range want.Fields() {
		if g := got.Field(i); g.Name != field.Name || !arrow.TypeEqual(g.Type, field.Type) {
			return refuse(http.StatusBadRequest, "column %d of the stream is %s %v, the shard's %s %v", i, g.Name, g.Type, field.Name, field.Type)
		}
	}
	return nil
}

func concatenate(batches []arrow.RecordBatch, schema *arrow.Schema) (arrow.RecordBatch, error) {
	switch len(batches) {
	case 0:
		return nil, refuse(http.StatusBadRequest, "the body has no rows")
	case 1:
		return array.NewRecordBatch(schema, batches[0].Columns(), batches[0].NumRows()), nil
	}
	columns, rows := make([]arrow.Array, schema.NumFields()), int64(0)
	defer func() {
		for _, c := range columns {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i := range columns {
		parts := make([]arrow.Array, len(batches))
		for j, b := range batches {
			parts[j] = b.Column(i)
		}
		joined, err := array.Concatenate(parts, memory.DefaultAllocator)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "the batches cannot be joined: %v", err)
		}
		columns[i] = joined
	}
	for _, b := range batches {
		rows += b.NumRows()
	}
	return array.NewRecordBatch(schema, columns, rows), nil
}

// types are what a schema on the command line may name.
var types = map[string]arrow.DataType{
	"bool": arrow.FixedWidthTypes.Boolean,
	"int8": arrow.PrimitiveTypes.Int8, "int16": arrow.PrimitiveTypes.Int16, "int32": arrow.PrimitiveTypes.Int32, "int64": arrow.PrimitiveTypes.Int64,
	"uint8": arrow.PrimitiveTypes.Uint8, "uint16": arrow.PrimitiveTypes.Uint16, "uint32": arrow.PrimitiveTypes.Uint32, "uint64": arrow.PrimitiveTypes.Uint64,
	"float32": arrow.PrimitiveTypes.Float32, "float64": arrow.PrimitiveTypes.Float64,
	"utf8": arrow.BinaryTypes.String, "binary": arrow.BinaryTypes.Binary, "date32": arrow.FixedWidthTypes.Date32,
	"timestamp_s": arrow.FixedWidthTypes.Timestamp_s, "timestamp_ms": arrow.FixedWidthTypes.Timestamp_ms,
	"timestamp_us": arrow.FixedWidthTypes.Timestamp_us, "timestamp_ns": arrow.FixedWidthTypes.Timestamp_ns,
}

// parseSchema reads a schema from an Arrow IPC file, or from text such as "id:int64,name:utf8?".
func parseSchema(text string) (*arrow.Schema, error) {
	if _, err := os.Stat(text); err == nil {
		reader, err := weir.OpenIPC(text)
		if err != nil {
			return nil, err
		}
		defer reader.Release()
		return reader.Schema(), nil
	}
	var fields []arrow.Field
	for part := range strings.SplitSeq(text, ",") {
		name, kind, found := strings.Cut(strings.TrimSpace(part), ":")
		kind, nullable := strings.CutSuffix(kind, "?")
		if !found || name == "" || types[kind] == nil {
			return nil, fmt.Errorf("the schema is no file, and %q in it is not name:type with a type that is known", part)
		}
		fields = append(fields, arrow.Field{Name: name, Type: types[kind], Nullable: nullable})
	}
	return arrow.NewSchema(fields, nil), nil
}
