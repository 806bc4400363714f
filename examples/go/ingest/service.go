package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-db/weir/bindings/go/weir"
)

// A service puts what requests bring.
type service struct {
	config  config
	log     *slog.Logger
	session *weir.Session
	writer  *weir.Writer
	schema  *arrow.Schema
	budget  budget
	// lost is closed when this process cannot write to the shard any more.
	lost     chan struct{}
	losing   sync.Once
	loss     atomic.Pointer[error]
	draining atomic.Bool
	counts   counts
}

func open(ctx context.Context, c config, log *slog.Logger) (*service, error) {
	schema, err := parseSchema(c.schema)
	if err != nil {
		return nil, err
	}
	session, err := weir.NewSession(weir.WithStoreSettings(c.settings))
	if err != nil {
		return nil, err
	}
	// The service reads nothing back: without MemTables what it holds is bounded by what is pending, a start replays nothing, and a stop
	// waits for no flush. Who wants the rows tails the log.
	w, err := weir.OpenWriter(ctx, session, c.root, c.shard, schema, weir.WithoutMemTable(), weir.WithMaxPendingBytes(c.maxPending),
		weir.WithMaxBufferBytes(min(c.maxPending, 8<<20)), weir.WithFsync(c.fsync))
	if err != nil {
		session.Close()
		return nil, err
	}
	return &service{config: c, log: log, session: session, writer: w, schema: schema, lost: make(chan struct{}),
		budget: budget{left: c.maxDecoding}}, nil
}

func (s *service) close(ctx context.Context) error {
	err := s.writer.CloseContext(ctx)
	if errors.Is(err, weir.ErrTimedOut) || errors.Is(err, weir.ErrCancelled) {
		s.writer.Abort()
	}
	s.session.Close()
	return err
}

// lose ends the service: the writer is fenced or failed for good, and only a new one can go on.
func (s *service) lose(err error) {
	s.losing.Do(func() {
		s.loss.Store(&err)
		close(s.lost)
	})
}

func (s *service) lostTo() error {
	if err := s.loss.Load(); err != nil {
		return *err
	}
	return nil
}

// A budget bounds what bodies take in memory.
type budget struct {
	mu   sync.Mutex
	left int64
}

func (b *budget) take(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > b.left {
		return false
	}
	b.left -= n
	return true
}

func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += n
}

// counts are for /metrics.
type counts struct {
	rows, bytes, inFlight atomic.Int64
	mu                    sync.Mutex
	codes                 map[int]int64
}

func (c *counts) answered(code int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.codes == nil {
		c.codes = map[int]int64{}
	}
	c.codes[code]++
}

func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/batches", s.ingest)
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("GET /healthz", s.health)
	return mux
}

// A refusal is an answer that is not 200.
type refusal struct {
	code    int
	message string
	// retryAfter is for 429 and 503, in seconds; 0 = not said.
	retryAfter int
	// outcome is "unknown" if the rows may be or become durable all the same; a client that sends them again may double them.
	outcome string
}

func (r *refusal) Error() string { return r.message }

func refuse(code int, format string, args ...any) *refusal {
	return &refusal{code: code, message: fmt.Sprintf(format, args...), outcome: "refused"}
}

func (s *service) ingest(w http.ResponseWriter, r *http.Request) {
	s.counts.inFlight.Add(1)
	defer s.counts.inFlight.Add(-1)
	ack, rows, err := s.put(w, r)
	if err == nil {
		s.answer(w, http.StatusOK, map[string]any{"rows": rows, "sequence": ack.Sequence, "position": ack.Position, "epoch": ack.Epoch})
		return
	}
	var no *refusal
	if !errors.As(err, &no) {
		no = s.refusalOf(err)
	}
	if no.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(no.retryAfter))
	}
	s.log.Debug("refused", "code", no.code, "error", no.message, "from", r.RemoteAddr)
	s.answer(w, no.code, map[string]any{"error": no.message, "outcome": no.outcome})
}

func (s *service) answer(w http.ResponseWriter, code int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(body)
	s.counts.answered(code)
}

// put makes a request's rows durable, all or none: they are one batch of one entry.
func (s *service) put(w http.ResponseWriter, r *http.Request) (ack weir.Ack, rows int64, err error) {
	if s.draining.Load() || s.lostTo() != nil {
		no := refuse(http.StatusServiceUnavailable, "the service is stopping")
		no.retryAfter = 1
		return ack, 0, no
	}
	// A body of unknown length may be as large as the largest, and so may be what is packed in one.
	size := r.ContentLength
	if size > s.config.maxBody {
		return ack, 0, refuse(http.StatusRequestEntityTooLarge, "the body has %d bytes, of at most %d", size, s.config.maxBody)
	}
	if size < 0 || r.Header.Get("Content-Encoding") != "" {
		size = s.config.maxBody
	}
	if !s.budget.take(size) {
		no := refuse(http.StatusTooManyRequests, "too many requests are being read")
		no.retryAfter = 1
		return ack, 0, no
	}
	defer s.budget.give(size)
	record, bytes, err := s.decode(w, r)
	if err != nil {
		return ack, 0, err
	}
	defer record.Release()
	// Not waited for: what does not fit now is the client's to keep, or requests would pile up here instead.
	pending, err := s.writer.PutAsync(record)
	if err != nil {
		return ack, 0, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.config.putTimeout)
	defer cancel()
	ack, err = pending.Wait(ctx)
	if err == nil {
		s.counts.rows.Add(record.NumRows())
		s.counts.bytes.Add(bytes)
	}
	return ack, record.NumRows(), err
}

// refusalOf says in HTTP what an error of weir's means for the client.
func (s *service) refusalOf(err error) *refusal {
	switch {
	case errors.Is(err, weir.ErrBackpressure):
		no := refuse(http.StatusTooManyRequests, "%v", err)
		no.retryAfter = s.retryAfter()
		return no
	case errors.Is(err, weir.ErrInvalidData), errors.Is(err, weir.ErrSchemaMismatch):
		return refuse(http.StatusBadRequest, "%v", err)
	case errors.Is(err, weir.ErrInvalidArgument): // larger than what may ever be pending
		return refuse(http.StatusRequestEntityTooLarge, "%v", err)
	case errors.Is(err, weir.ErrOutcomeUnknown):
		no := refuse(http.StatusGatewayTimeout, "%v", err)
		no.outcome = "unknown"
		return no
	}
	var e *weir.Error
	if errors.As(err, &e) && e.Action != weir.ActionRetry && !errors.Is(err, weir.ErrClosed) {
		s.lose(err)
	}
	no := refuse(http.StatusServiceUnavailable, "%v", err)
	no.retryAfter = 1
	if errors.Is(err, weir.ErrPoisoned) {
		no.outcome = "unknown"
	}
	return no
}

// retryAfter is about how long the store takes to write what is pending, in seconds.
func (s *service) retryAfter() int {
	stats, err := s.writer.Stats()
	if err != nil || stats.Entries == 0 {
		return 1
	}
	entries := float64(stats.PendingBytes) / (float64(stats.EntryBytes) / float64(stats.Entries))
	return int(min(max(math.Ceil(entries*stats.AppendP50.Seconds()), 1), 60))
}

func (s *service) metrics(w http.ResponseWriter, _ *http.Request) {
	text, err := s.session.Metrics()
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	fmt.Fprint(w, text)
	fmt.Fprintf(w, "# HELP ingest_rows_total Rows acknowledged.\n# TYPE ingest_rows_total counter\ningest_rows_total %d\n", s.counts.rows.Load())
	fmt.Fprintf(w, "# HELP ingest_body_bytes_total Bytes of their bodies, unpacked.\n# TYPE ingest_body_bytes_total counter\ningest_body_bytes_total %d\n",
		s.counts.bytes.Load())
	fmt.Fprintf(w, "# HELP ingest_requests_in_flight Requests under way.\n# TYPE ingest_requests_in_flight gauge\ningest_requests_in_flight %d\n",
		s.counts.inFlight.Load())
	fmt.Fprintf(w, "# HELP ingest_requests_total Requests answered, by code.\n# TYPE ingest_requests_total counter\n")
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	for code, n := range s.counts.codes {
		fmt.Fprintf(w, "ingest_requests_total{code=\"%d\"} %d\n", code, n)
	}
}

// health is 200 while requests are taken. With ?deep it asks the store whether the shard is still this process's.
func (s *service) health(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("deep") {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		if err := s.writer.CheckFenced(ctx); err != nil {
			if errors.Is(err, weir.ErrFenced) {
				s.lose(err)
			}
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	if err := s.lostTo(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	if s.draining.Load() {
		http.Error(w, "stopping", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}
