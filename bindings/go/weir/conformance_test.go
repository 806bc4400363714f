package weir

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// behaviours are what every language's binding shows, by the ids of tests/conformance/behaviours.txt.
var behaviours = map[string]func(*testing.T){
	"error-fields":     errorFields,
	"error-argument":   errorArgument,
	"error-schema":     errorSchema,
	"put-durable":      putDurable,
	"put-async":        putAsync,
	"put-buffered":     putBuffered,
	"put-stream":       putStream,
	"fencing":          fencing,
	"ownership-input":  ownershipInput,
	"ownership-output": ownershipOutput,
	"cancel-wait":      cancelWait,
	"backpressure":     backpressure,
	"close-race":       closeRace,
	"close-twice":      closeTwice,
	"tail-order":       tailOrder,
	"tail-follow":      tailFollow,
	"tail-seek":        tailSeek,
	"tail-interrupt":   tailInterrupt,
	"tail-stream":      tailStream,
	"tail-subscribe":   tailSubscribe,
	"append":           appendOne,

	"upsert-newest-wins": upsertNewestWins,
	"delete-and-states":  deleteAndStates,
	"scan-filter-limit":  scanFilterLimit,
	"scan-moment":        scanMoment,
	"freeze-flush-read":  freezeFlushRead,
	"reopen-replays":     reopenReplays,
	"snapshot-then-tail": snapshotThenTail,
	"memtable-off":       memTableOff,
	"read-ownership":     readOwnership,

	"shard-admin":     shardAdmin,
	"routing":         routing,
	"metrics":         metrics,
	"log-sink":        logSink,
	"spill-roundtrip": spillRoundtrip,
	"spill-cap":       spillCap,
	"spill-reclaim":   spillReclaim,
	"spill-close":     spillClose,
	"cache-roundtrip": cacheRoundtrip,
	"cache-flight":    cacheFlight,
	"cache-backend":   cacheBackend,
}

// TestConformance runs the table: a behaviour that is listed and not shown fails, and so does one that is shown and not listed.
func TestConformance(t *testing.T) {
	top := filepath.Join("..", "..", "..")
	file, err := os.Open(filepath.Join(top, "tests", "conformance", "behaviours.txt"))
	ok(t, err)
	defer file.Close()
	listed := map[string]bool{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		id, _, found := strings.Cut(lines.Text(), ":")
		if !found || strings.HasPrefix(id, "#") {
			continue
		}
		listed[id] = true
		t.Run(id, func(t *testing.T) {
			show := behaviours[id]
			if show == nil {
				t.Fatal("this behaviour is not shown")
			}
			show(t)
		})
	}
	if len(listed) == 0 {
		t.Fatal("no behaviour is listed")
	}
	for id := range behaviours {
		if !listed[id] {
			t.Errorf("%s is shown and not listed", id)
		}
	}
}

func errorFields(t *testing.T) {
	f := onMemory(t)
	first := f.writer(t)
	f.writer(t)
	_, err := first.Put(soon(t), newRecord(t, 0, 1))
	e := is(t, err, ErrFenced)
	equal(t, e.Code, CodeFenced)
	equal(t, e.Action, ActionStop)
	if !strings.Contains(e.Error(), f.shard) {
		t.Fatalf("the message does not name the shard: %v", e)
	}
	epoch, found := e.Details.Uint64("fenced_by_epoch")
	equal(t, found, true)
	equal(t, epoch, 2)
	_, found = e.Details.Uint64("no such detail")
	equal(t, found, false)
	equal(t, errors.Is(err, ErrPoisoned), false)
}

func errorArgument(t *testing.T) {
	ctx, dir := soon(t), t.TempDir()
	s := newSession(t)
	refused := func(err error) {
		t.Helper()
		if !errors.Is(err, ErrInvalidArgument) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrInvalidData) {
			t.Fatalf("got %v", err)
		}
	}
	open := func(root, shard string, schema *arrow.Schema, options ...WriterOption) error {
		_, err := OpenWriter(ctx, s, root, shard, schema, options...)
		return err
	}
	refused(open("nosuchscheme://x", newShard(), testSchema))
	refused(open("", newShard(), testSchema))
	refused(open(dir, "not a shard", testSchema))
	refused(open(dir, "", testSchema))
	refused(open(dir+"\x00", newShard(), testSchema))
	refused(open(dir, newShard(), testSchema, WithCompression(77)))
	refused(open(dir, newShard(), testSchema, WithManifestProbeWidth(0)))
	refused(open(dir, newShard(), nil))
	refused(open(dir, newShard(), arrow.NewSchema([]arrow.Field{{Name: "x", Type: &unknownType{}}}, nil)))
	_, err := NewSession(WithStoreSetting("no_such_setting", "1"))
	e := is(t, err, ErrInvalidArgument)
	if !strings.Contains(e.Message, "no_such_setting") {
		t.Fatal(e)
	}
	left := val(os.ReadDir(dir))(t)
	equal(t, len(left), 0)
}

// unknownType is a type that the C data interface does not have.
type unknownType struct{ arrow.NullType }

func (*unknownType) ID() arrow.Type { return arrow.Type(1000) }

func errorSchema(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t)
	build := func(fields ...arrow.Field) arrow.RecordBatch {
		b := array.NewRecordBuilder(counted, arrow.NewSchema(fields, nil))
		defer b.Release()
		for i := range fields {
			b.Field(i).AppendEmptyValue()
		}
		r := b.NewRecordBatch()
		t.Cleanup(r.Release)
		return r
	}
	name := testSchema.Field(1)
	for _, bad := range []arrow.RecordBatch{
		build(name),
		build(arrow.Field{Name: "other", Type: arrow.PrimitiveTypes.Int64}, name),
		build(arrow.Field{Name: "id", Type: arrow.PrimitiveTypes.Float64}, name), // has the same form
	} {
		_, err := w.Put(soon(t), bad)
		is(t, err, ErrSchemaMismatch)
		batch := val(Export(bad))(t)
		if bad.NumCols() == 1 { // what the form shows
			if _, err = w.PutBatch(soon(t), batch); !errors.Is(err, ErrSchemaMismatch) && !errors.Is(err, ErrInvalidData) {
				t.Fatal(err)
			}
		}
		batch.Release()
	}
	null := build(arrow.Field{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, name)
	column := array.MakeArrayOfNull(counted, arrow.PrimitiveTypes.Int64, 1)
	defer column.Release()
	withNull := val(null.SetColumn(0, column))(t)
	defer withNull.Release()
	if _, err := w.Put(soon(t), withNull); !errors.Is(err, ErrSchemaMismatch) && !errors.Is(err, ErrInvalidData) {
		t.Fatal(err)
	}
	val(w.Put(soon(t), newRecord(t, 0, 3)))(t)
	equal(t, slices.Equal(f.ids(t), upTo(3)), true)
}

func shardAdmin(t *testing.T) {
	f := onDisk(t)
	ctx := soon(t)
	equal(t, len(val(f.s.ListShards(ctx, f.root))(t)), 0)
	_, err := f.s.Manifest(ctx, f.root, f.shard)
	is(t, err, ErrNotFound)
	fields := []ShardField{{"bucket", []byte{1, 0, 255}}, {"region", nil}}
	ok(t, f.s.InitShard(ctx, f.root, f.shard, 7, fields...))
	is(t, f.s.InitShard(ctx, f.root, f.shard, 7, fields...), os.ErrExist)
	other := newShard()
	ok(t, f.s.InitShard(ctx, f.root, other, 0))
	want := []string{f.shard, other}
	slices.Sort(want)
	equal(t, slices.Equal(val(f.s.ListShards(ctx, f.root))(t), want), true)
	m := val(f.s.Manifest(ctx, f.root, f.shard))(t)
	equal(t, m.WriterEpoch, 0)
	equal(t, m.Version, 1)
	equal(t, m.ShardSpecID, 7)
	equal(t, m.SSTables, 0)
	slices.SortFunc(m.Fields, func(a, b ShardField) int { return strings.Compare(a.ID, b.ID) })
	equal(t, fmt.Sprint(m.Fields), fmt.Sprint(fields))
	w := f.writer(t, WithTrimAge(trimAge))
	equal(t, val(f.s.Manifest(ctx, f.root, f.shard))(t).WriterEpoch, 1)
	for i := range int64(3) {
		val(w.Put(ctx, newRecord(t, i, 1)))(t)
	}
	ok(t, f.s.Seal(ctx, f.root, f.shard))
	equal(t, val(f.s.Manifest(ctx, f.root, f.shard))(t).Sealed, true)
	_, err = OpenWriter(ctx, f.s, f.root, f.shard, testSchema)
	is(t, err, ErrSealed)
	ok(t, f.s.Unseal(ctx, f.root, f.shard))
	ok(t, f.writer(t, WithTrimAge(trimAge)).Close())
	trimTo(t, f, 2)
	equal(t, val(f.tailer(t).FirstPosition(ctx))(t), 3)
	equal(t, val(f.s.Trim(ctx, f.root, f.shard, 3, DefaultTrimAge))(t), 3) // nothing is a day old
}

func routing(t *testing.T) {
	ints := array.NewInt32Builder(counted)
	ints.AppendValues([]int32{1, 2, 3, 0}, []bool{true, true, true, false})
	strs := array.NewStringBuilder(counted)
	strs.AppendValues([]string{"a", "b"}, nil)
	views := array.NewStringViewBuilder(counted)
	views.AppendValues([]string{"a", "b"}, nil)
	bools := array.NewBooleanBuilder(counted)
	bools.Append(true)
	floats := array.NewFloat64Builder(counted)
	floats.Append(1.25)
	empty := array.NewInt32Builder(counted)
	for _, c := range []struct {
		builder array.Builder
		want    []int32
	}{{ints, []int32{2, 7, 1, 0}}, {strs, []int32{1, 5}}, {views, []int32{1, 5}}, {bools, []int32{2}}, {floats, []int32{0}}, {empty, nil}} {
		column := c.builder.NewArray()
		c.builder.Release()
		got, err := Buckets(column, 8)
		ok(t, err)
		if !slices.Equal(got, c.want) {
			t.Fatalf("%v: %v, want %v", column, got, c.want)
		}
		for _, n := range []int{0, 1025, -1} {
			_, err = Buckets(column, n)
			is(t, err, ErrInvalidArgument)
		}
		column.Release()
	}
}

func metrics(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t)
	for i := range int64(3) {
		val(w.Put(soon(t), newRecord(t, i, 1)))(t)
	}
	text := val(f.s.Metrics())(t)
	if !slices.Contains(strings.Split(text, "\n"), "weir_writer_puts_total 3") {
		t.Fatalf("the metrics do not say that there were 3 puts:\n%s", text)
	}
	keys := val(StoreSettings())(t)
	equal(t, slices.Contains(keys, "weir_fsync"), true)
	stats, memory := val(w.Stats())(t), val(w.Memory())(t)
	equal(t, stats.Puts, 3)
	equal(t, stats.Rows, 3)
	equal(t, stats.PutMax >= stats.PutP50 && stats.PutP50 > 0, true)
	equal(t, memory.Limit, 64<<20)
	equal(t, memory.Pending, 0)
}

func logSink(t *testing.T) {
	out := newSyncBuffer()
	ok(t, SetLogger(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: LevelTrace}))))
	f := onMemory(t)
	ok(t, f.writer(t).Close())
	if text := out.String(); !strings.Contains(text, "level=INFO") || !strings.Contains(text, "target=weir") || !strings.Contains(text, f.shard) {
		t.Fatalf("a claim was not logged: %q", text)
	}
	ok(t, SetLogLevel(LogOff))
	n := out.n.Load()
	ok(t, f.writer(t).Close())
	equal(t, out.n.Load(), n)
	ok(t, SetLogLevel(LogInfo))
	is(t, SetLogLevel(99), ErrInvalidArgument)
	ok(t, SetLogger(nil))
	ok(t, f.writer(t).Close())
	equal(t, out.n.Load(), n)
	// A handler that panics does no harm.
	ok(t, SetLogger(slog.New(panicHandler{slog.DiscardHandler})))
	ok(t, f.writer(t).Close())
	ok(t, SetLogger(nil))
}

type panicHandler struct{ slog.Handler }

func (panicHandler) Enabled(context.Context, slog.Level) bool { panic("a handler of the program's") }
