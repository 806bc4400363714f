package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/uuid"

	"github.com/weir-db/weir/bindings/go/weir"
)

const testSchema = "id:int64,name:utf8?,at:timestamp_ms?"

// TestMain runs the service itself when a test starts this program as one.
func TestMain(m *testing.M) {
	if args := os.Getenv("INGEST_TEST_ARGS"); args != "" {
		os.Args = append(os.Args[:1], strings.Split(args, "\n")...)
		main()
	}
	code := m.Run()
	if n := weir.LiveHandles(); code == 0 && n != 0 {
		fmt.Fprintf(os.Stderr, "%d of weir's handles were not freed\n", n)
		code = 1
	}
	os.Exit(code)
}

// A running service, in this process.
type running struct {
	t           *testing.T
	url         string
	root, shard string
	stop        func() int
}

func start(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{t: t, root: t.TempDir(), shard: uuid.NewString()}
	return r.start(args...)
}

func (r *running) start(args ...string) *running {
	r.t.Helper()
	c, err := parse(append([]string{"-listen", "127.0.0.1:0", "-root", r.root, "-shard", r.shard, "-schema", testSchema, "-fsync=false"}, args...), io.Discard)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, c, slog.New(slog.DiscardHandler), in)
		in.CloseWithError(io.EOF)
	}()
	r.url = address(r.t, out)
	stopped := sync.OnceValue(func() int { cancel(); return <-code })
	r.stop = stopped
	r.t.Cleanup(func() { stopped() })
	return r
}

// address reads where a service listens.
func address(t *testing.T, out io.Reader) string {
	t.Helper()
	line, err := bufio.NewReader(out).ReadString('\n')
	url, found := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !found {
		t.Fatalf("it said %q: %v", line, err)
	}
	return url
}

type answer struct {
	code                      int
	header                    http.Header
	Rows                      int64
	Sequence, Position, Epoch uint64
	Error, Outcome            string
}

func post(url, kind string, body io.Reader, headers ...string) (a answer, err error) {
	return postBy(http.DefaultClient, url, kind, body, headers...)
}

func postBy(client *http.Client, url, kind string, body io.Reader, headers ...string) (a answer, err error) {
	request, err := http.NewRequest(http.MethodPost, url+"/v1/batches", body)
	if err != nil {
		return a, err
	}
	request.Header.Set("Content-Type", kind)
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	a.code, a.header = response.StatusCode, response.Header
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		err = json.NewDecoder(response.Body).Decode(&a)
	}
	return a, err
}

func (r *running) post(kind string, body string, headers ...string) answer {
	r.t.Helper()
	a, err := post(r.url, kind, strings.NewReader(body), headers...)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

func (r *running) get(path string) (int, string) {
	r.t.Helper()
	response, err := http.Get(r.url + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// ids reads the log.
func (r *running) ids() (ids []int64) {
	r.t.Helper()
	session, err := weir.NewSession()
	if err != nil {
		r.t.Fatal(err)
	}
	defer session.Close()
	for entry, err := range weir.Tail(r.t.Context(), session, r.root, r.shard) {
		if err != nil {
			r.t.Fatal(err)
		}
		for batch, err := range entry.Batches() {
			if err != nil {
				r.t.Fatal(err)
			}
			ids = append(ids, batch.Column(0).(*array.Int64).Int64Values()...)
		}
	}
	return ids
}

func want(t *testing.T, a answer, code int, about string) {
	t.Helper()
	if a.code != code || !strings.Contains(a.Error, about) {
		t.Fatalf("got %d: %s; want %d about %q", a.code, a.Error, code, about)
	}
}

// stream makes an Arrow IPC stream of batches with these ids.
func stream(t *testing.T, schema *arrow.Schema, batches ...[]int64) string {
	t.Helper()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema))
	for _, ids := range batches {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		for i, field := range schema.Fields() {
			for _, id := range ids {
				switch f := b.Field(i).(type) {
				case *array.Int64Builder:
					f.Append(id)
				case *array.StringBuilder:
					f.Append(fmt.Sprint(field.Name, id))
				default:
					f.AppendNull()
				}
			}
		}
		record := b.NewRecordBatch()
		if err := w.Write(record); err != nil {
			t.Fatal(err)
		}
		record.Release()
		b.Release()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func schemaOf(t *testing.T, text string) *arrow.Schema {
	t.Helper()
	schema, err := parseSchema(text)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func packed(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.WriteString(w, text); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTakesBatches(t *testing.T) {
	r := start(t)
	schema := schemaOf(t, testSchema)
	a := r.post(ndjson, "{\"id\":1,\"name\":\"one\",\"at\":\"2024-02-29T12:00:00Z\"}\n{\"id\":2,\"other\":7}\n")
	want(t, a, 200, "")
	if a.Rows != 2 || a.Sequence != 1 || a.Position != 1 || a.Epoch != 1 {
		t.Fatalf("%+v", a)
	}
	want(t, r.post(arrowStream, stream(t, schema, []int64{3, 4}, []int64{5})), 200, "")
	want(t, r.post(arrowStream+"; charset=x", stream(t, schema, []int64{6})), 200, "")
	want(t, r.post(ndjson, packed(t, "{\"id\":7}\n"), "Content-Encoding", "gzip"), 200, "")
	if ids := r.ids(); !slices.Equal(ids, []int64{1, 2, 3, 4, 5, 6, 7}) {
		t.Fatalf("the log has %v", ids)
	}
	if code := r.stop(); code != exitOK {
		t.Fatalf("it ended with %d", code)
	}
}

func TestRefusesBadInput(t *testing.T) {
	r := start(t, "-max-body", "10000")
	schema := schemaOf(t, testSchema)
	whole := stream(t, schema, []int64{1})
	for _, c := range []struct {
		name, kind, body string
		code             int
		about            string
		headers          []string
	}{
		{"JSON that breaks off", ndjson, "{\"id\":", 400, "line 1", nil},
		{"JSON that breaks off later", ndjson, "{\"id\":1}\n\n{\"id\":", 400, "line 3", nil},
		{"two objects in a line", ndjson, "{\"id\":1}{\"id\":2}", 400, "line 1", nil},
		{"JSON of another type", ndjson, "{\"id\":\"many\"}", 400, "JSON", nil},
		{"JSON that is no object", ndjson, "[1,2]", 400, "", nil},
		{"a number that is too large", ndjson, "{\"id\":99999999999999999999}", 400, "JSON", nil},
		{"a required field that is missing", ndjson, "{\"id\":1}\n{\"name\":\"x\"}", 400, "\"id\"", nil},
		{"nothing", ndjson, "", 400, "no rows", nil},
		{"an empty stream", arrowStream, "", 400, "", nil},
		{"a stream without batches", arrowStream, stream(t, schema), 400, "no rows", nil},
		{"a stream without rows", arrowStream, stream(t, schema, nil), 400, "no rows", nil},
		{"noise", arrowStream, strings.Repeat("noise", 100), 400, "", nil},
		{"half a stream", arrowStream, whole[:len(whole)*2/3], 400, "", nil},
		{"another schema", arrowStream, stream(t, schemaOf(t, "id:int64"), []int64{1}), 400, "columns", nil},
		{"another type", arrowStream, stream(t, schemaOf(t, "id:utf8,name:utf8,at:timestamp_ms?"), []int64{1}), 400, "column 0", nil},
		{"no such type", "text/csv", "1,2", 415, "Content-Type", nil},
		{"no type", "", "1,2", 415, "Content-Type", nil},
		{"no such encoding", ndjson, "{\"id\":1}", 415, "br", []string{"Content-Encoding", "br"}},
		{"no gzip", ndjson, "{\"id\":1}", 400, "gzip", []string{"Content-Encoding", "gzip"}},
		{"too large", ndjson, strings.Repeat("{\"id\":1}\n", 2000), 413, "10000", nil},
		{"too large when unpacked", ndjson, packed(t, strings.Repeat("{\"id\":1}\n", 100_000)), 413, "10000", []string{"Content-Encoding", "gzip"}},
	} {
		t.Run(c.name, func(t *testing.T) { want(t, r.post(c.kind, c.body, c.headers...), c.code, c.about) })
	}
	t.Run("too large, of unknown length", func(t *testing.T) {
		a, err := post(r.url, ndjson, io.MultiReader(strings.NewReader(strings.Repeat("{\"id\":1}\n", 2000))))
		if err != nil {
			t.Fatal(err)
		}
		want(t, a, 413, "10000")
	})
	// Every way to damage one byte of a stream gets an answer, and never takes the service down.
	for i := range len(whole) {
		damaged := []byte(whole)
		damaged[i] ^= 0x55
		if a := r.post(arrowStream, string(damaged)); a.code != 400 && a.code != 200 && a.code != 413 {
			t.Fatalf("byte %d damaged: %d %s", i, a.code, a.Error)
		}
	}
	if code, _ := r.get("/v1/batches"); code != 405 {
		t.Fatalf("GET: %d", code)
	}
	if code, _ := r.get("/elsewhere"); code != 404 {
		t.Fatalf("elsewhere: %d", code)
	}
	if code, text := r.get("/healthz?deep"); code != 200 {
		t.Fatalf("health: %d %s", code, text)
	}
}

func TestTooManyRequests(t *testing.T) {
	r := start(t, "-store", "weir_simulated_latency_ms=50", "-max-body", "20000", "-max-pending", "20000")
	body := "{\"id\":1,\"name\":\"" + strings.Repeat("x", 3000) + "\"}\n"
	var group sync.WaitGroup
	var mu sync.Mutex
	codes := map[int]int{}
	for range 60 {
		group.Go(func() {
			a, err := post(r.url, ndjson, strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			if a.code == 429 && (a.header.Get("Retry-After") == "" || a.header.Get("Retry-After") == "0" || a.Outcome != "refused") {
				t.Errorf("Retry-After is %q: %+v", a.header.Get("Retry-After"), a)
			}
			mu.Lock()
			defer mu.Unlock()
			codes[a.code]++
		})
	}
	group.Wait()
	if codes[200] == 0 || codes[429] == 0 || codes[200]+codes[429] != 60 {
		t.Fatalf("the answers were %v", codes)
	}
	want(t, r.post(ndjson, body), 200, "") // there is room again
	if ids := r.ids(); len(ids) != codes[200]+1 {
		t.Fatalf("%d rows are in the log, %d were acknowledged", len(ids), codes[200]+1)
	}
	_, text := r.get("/metrics")
	for _, line := range []string{fmt.Sprintf("ingest_requests_total{code=\"429\"} %d\n", codes[429]), fmt.Sprintf("ingest_rows_total %d\n", codes[200]+1),
		"ingest_requests_in_flight 0\n", "# TYPE weir_"} {
		if !strings.Contains(text, line) {
			t.Errorf("the metrics have no %q:\n%s", line, text)
		}
	}
}

func TestBudgetOfBodies(t *testing.T) {
	r := start(t, "-max-body", "1000", "-max-decoding", "1000", "-max-pending", "100000")
	// A client that sends the body when it is asked for it, however long that takes: the service asks when it has taken the budget.
	patient := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Hour}}
	defer patient.CloseIdleConnections()
	body, in := io.Pipe()
	defer in.Close()
	first := make(chan answer, 1)
	go func() { // its length is unknown, so it takes the whole budget, and then its time
		a, err := postBy(patient, r.url, ndjson, body, "Expect", "100-continue")
		if err != nil {
			t.Error(err)
		}
		body.CloseWithError(errors.New("it was answered"))
		first <- a
	}()
	if _, err := io.WriteString(in, "{\"id\":1}\n"); err != nil { // returns when the client reads it
		t.Fatal(err)
	}
	want(t, r.post(ndjson, "{\"id\":2}"), 429, "too many requests")
	in.Close()
	want(t, <-first, 200, "")
	want(t, r.post(ndjson, "{\"id\":3}"), 200, "")
	if ids := r.ids(); !slices.Equal(ids, []int64{1, 3}) {
		t.Fatalf("the log has %v", ids)
	}
}

// A request that is under way when the service is stopped is answered; later ones are not taken; all that was acknowledged is in the log.
func TestStopsGracefully(t *testing.T) {
	r := start(t, "-store", "weir_simulated_latency_ms=50")
	answers := make(chan answer)
	go func() {
		a, err := post(r.url, ndjson, strings.NewReader("{\"id\":1}"))
		if err != nil {
			t.Error(err)
		}
		answers <- a
	}()
	for {
		if _, text := r.get("/metrics"); strings.Contains(text, "ingest_requests_in_flight 1\n") {
			break
		}
	}
	if code := r.stop(); code != exitOK {
		t.Fatalf("it ended with %d", code)
	}
	want(t, <-answers, 200, "")
	if _, err := post(r.url, ndjson, strings.NewReader("{\"id\":2}")); err == nil {
		t.Fatal("it still answers")
	}
	if ids := r.ids(); !slices.Equal(ids, []int64{1}) {
		t.Fatalf("the log has %v", ids)
	}
}

// A rows' deadline passes while the store is slow: the client is told that the outcome is unknown.
func TestPutTimeout(t *testing.T) {
	r := start(t, "-store", "weir_simulated_latency_ms=200", "-put-timeout", "5ms")
	a := r.post(ndjson, "{\"id\":1}")
	want(t, a, 504, "may still become durable")
	if a.Outcome != "unknown" {
		t.Fatalf("%+v", a)
	}
	r.stop()
	if ids := r.ids(); !slices.Equal(ids, []int64{1}) { // it did, as the service closed its writer
		t.Fatalf("the log has %v", ids)
	}
}

// Another service takes the shard over: the first says so and ends.
func TestFenced(t *testing.T) {
	r := start(t)
	want(t, r.post(ndjson, "{\"id\":1}"), 200, "")
	second := (&running{t: t, root: r.root, shard: r.shard}).start()
	a := r.post(ndjson, "{\"id\":2}")
	want(t, a, 503, "fenced")
	if code := r.stop(); code != exitLost {
		t.Fatalf("it ended with %d", code)
	}
	want(t, second.post(ndjson, "{\"id\":3}"), 200, "")
	if ids := r.ids(); !slices.Equal(ids, []int64{1, 3}) {
		t.Fatalf("the log has %v", ids)
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{
		{}, {"-root", "x", "-shard", "y"}, {"-root", "x", "-shard", "y", "-schema", "id:int64", "more"},
		{"-root", "x", "-shard", "y", "-schema", "id:int64", "-max-body", "0"},
		{"-root", "x", "-shard", "y", "-schema", "id:int64", "-max-pending", "5"},
		{"-root", "x", "-shard", "y", "-schema", "id:int64", "-store", "no equals sign"}, {"-no-such-flag"},
	} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%v were taken", args)
		}
	}
	for _, schema := range []string{"id", "id:", ":int64", "id:number", "no/such/file"} {
		if _, err := parseSchema(schema); err == nil {
			t.Errorf("the schema %q was taken", schema)
		}
	}
	schema, err := parseSchema(filepath.Join("..", "..", "data", "flights.arrow"))
	if err != nil || schema.NumFields() != 14 {
		t.Fatal(schema, err)
	}
	for _, args := range [][]string{
		{"-root", "nosuchscheme://x", "-shard", uuid.NewString(), "-schema", "id:int64"},
		{"-root", t.TempDir(), "-shard", "none", "-schema", "id:int64"},
		{"-root", t.TempDir(), "-shard", uuid.NewString(), "-schema", "id"},
		{"-root", t.TempDir(), "-shard", uuid.NewString(), "-schema", "id:int64", "-store", "no_such=1"},
		{"-root", t.TempDir(), "-shard", uuid.NewString(), "-schema", "id:int64", "-listen", "256.0.0.1:1"},
	} {
		c, err := parse(args, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if code := run(t.Context(), c, slog.New(slog.DiscardHandler), io.Discard); code != exitFailed {
			t.Errorf("%v: ended with %d", args, code)
		}
	}
}

// spawn runs the service as a process of its own.
func spawn(t *testing.T, root, shard string) (*exec.Cmd, string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), "INGEST_TEST_ARGS="+strings.Join([]string{"-listen", "127.0.0.1:0", "-root", root, "-shard", shard, "-schema", testSchema}, "\n"))
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Process.Kill(); child.Wait() })
	return child, address(t, out)
}

// Killed with SIGKILL under load and started again, the service has lost nothing of what it had acknowledged, and doubled nothing.
func TestKilledAndStartedAgain(t *testing.T) {
	r := &running{t: t, root: t.TempDir(), shard: uuid.NewString()}
	var mu sync.Mutex
	acknowledged, unknown := map[int64]bool{}, map[int64]bool{}
	next := int64(0)
	for range 3 {
		child, url := spawn(t, r.root, r.shard)
		var group sync.WaitGroup
		half := make(chan struct{})
		var reached sync.Once
		for range 8 {
			group.Go(func() {
				for here := 0; ; here++ {
					mu.Lock()
					id := next
					next++
					mu.Unlock()
					a, err := post(url, ndjson, strings.NewReader(fmt.Sprintf("{\"id\":%d,\"name\":\"n\"}", id)))
					mu.Lock()
					if err == nil && a.code == 200 {
						acknowledged[id] = true
					} else {
						unknown[id] = true
					}
					mu.Unlock()
					if err != nil {
						return
					}
					if here == 20 {
						reached.Do(func() { close(half) })
					}
				}
			})
		}
		select {
		case <-half:
		case <-time.After(30 * time.Second):
			t.Fatal("it takes nothing")
		}
		if err := child.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		group.Wait()
		child.Wait()
	}
	child, url := spawn(t, r.root, r.shard)
	if a, err := post(url, ndjson, strings.NewReader("{\"id\":-1}")); err != nil || a.code != 200 || a.Epoch != 4 {
		t.Fatal(a, err)
	}
	if err := child.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err != nil {
		t.Fatalf("SIGTERM: %v", err)
	}
	found := map[int64]int{}
	for _, id := range r.ids() {
		found[id]++
	}
	for id := range acknowledged {
		if found[id] != 1 {
			t.Errorf("row %d was acknowledged and is %d times in the log", id, found[id])
		}
	}
	for id, n := range found {
		if n != 1 || id >= 0 && !acknowledged[id] && !unknown[id] {
			t.Errorf("row %d is %d times in the log", id, n)
		}
	}
	if len(acknowledged) < 60 {
		t.Fatalf("only %d rows were acknowledged", len(acknowledged))
	}
}
