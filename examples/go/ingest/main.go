// Ingest is a service that makes batches durable: rows come over HTTP as an Arrow IPC stream or as NDJSON, and a request that is answered
// with 200 is in the log. Anybody can tail it from there. See README.md.
//
//	ingest -root s3://bucket/events -shard 6f1e8f0a-54c2-4c1e-9d55-0b1e7c2a9a10 -schema 'id:int64,at:timestamp_us,name:utf8?'
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/weir-db/weir/bindings/go/weir"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	// exitLost: another writer owns the shard, or an append failed for good. Starting again claims the shard again.
	exitLost = 3
)

// A config is what the flags say.
type config struct {
	listen, root, shard, schema string
	settings                    settings
	maxBody                     int64
	maxPending                  uint64
	maxDecoding                 int64
	putTimeout, drain           time.Duration
	fsync                       bool
	verbose                     bool
}

// settings are -store flags: key=value.
type settings map[string]string

func (s settings) String() string { return "" }

func (s settings) Set(text string) error {
	key, value, found := strings.Cut(text, "=")
	if !found {
		return errors.New("must be key=value")
	}
	s[key] = value
	return nil
}

func parse(args []string, errors io.Writer) (c config, err error) {
	c.settings = settings{}
	flags := flag.NewFlagSet("ingest", flag.ContinueOnError)
	flags.SetOutput(errors)
	flags.StringVar(&c.listen, "listen", "127.0.0.1:8080", "address to listen on; port 0 takes a free one")
	flags.StringVar(&c.root, "root", "", "URL or path below which the shard lies (required)")
	flags.StringVar(&c.shard, "shard", "", "the shard's UUID (required)")
	flags.StringVar(&c.schema, "schema", "", "an Arrow IPC file with the schema, or 'name:type,name:type?' (required; ? = may be null)")
	flags.Var(c.settings, "store", "key=value setting of the object store; may be repeated")
	flags.Int64Var(&c.maxBody, "max-body", 8<<20, "bytes of one request's body, also when unpacked")
	flags.Uint64Var(&c.maxPending, "max-pending", 64<<20, "bytes that may wait for the store; beyond them requests get 429")
	flags.Int64Var(&c.maxDecoding, "max-decoding", 64<<20, "bytes of bodies that may be in memory at once; beyond them requests get 429")
	flags.DurationVar(&c.putTimeout, "put-timeout", 10*time.Second, "how long a request may wait for its rows to be durable")
	flags.DurationVar(&c.drain, "drain", 15*time.Second, "how long requests under way may take after SIGTERM")
	flags.BoolVar(&c.fsync, "fsync", true, "on a local disk: sync each entry")
	flags.BoolVar(&c.verbose, "v", false, "log at the level of debugging")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case c.root == "" || c.shard == "" || c.schema == "":
		err = fmt.Errorf("-root, -shard and -schema are required")
	case c.maxBody < 1 || c.maxDecoding < c.maxBody || c.maxPending < uint64(c.maxBody):
		err = fmt.Errorf("-max-body must be at least 1, and -max-decoding and -max-pending at least as much")
	}
	if err != nil {
		fmt.Fprintln(errors, "ingest:", err)
		flags.Usage()
	}
	return c, err
}

func main() {
	c, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(exitOK)
	}
	if err != nil {
		os.Exit(exitUsage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	level := slog.LevelInfo
	if c.verbose {
		level = slog.LevelDebug
		weir.SetLogLevel(weir.LogDebug)
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	if err := weir.SetLogger(log); err != nil {
		log.Error("weir's log", "error", err)
	}
	os.Exit(run(ctx, c, log, os.Stdout))
}

// run serves until the context ends or the shard is lost. It prints the address that it listens on.
func run(ctx context.Context, c config, log *slog.Logger, out io.Writer) int {
	s, err := open(ctx, c, log)
	if err != nil {
		log.Error("cannot open the shard", "error", err)
		return exitFailed
	}
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		s.close(ctx)
		log.Error("cannot listen", "error", err)
		return exitFailed
	}
	fmt.Fprintf(out, "listening on http://%s\n", listener.Addr())
	log.Info("serving", "address", listener.Addr().String(), "root", c.root, "shard", c.shard, "epoch", s.writer.Epoch())
	server := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	code := exitOK
	select {
	case <-ctx.Done():
		log.Info("stopping: requests under way are finished")
	case <-s.lost:
		log.Error("stopping: the shard is lost to this process", "error", s.lostTo())
		code = exitLost
	case err := <-failed:
		log.Error("stopping: the server failed", "error", err)
		code = exitFailed
	}
	s.draining.Store(true)
	patience, cancel := context.WithTimeout(context.Background(), c.drain)
	defer cancel()
	if err := server.Shutdown(patience); err != nil {
		log.Warn("requests were cut off", "error", err)
		server.Close()
		code = max(code, exitFailed)
	}
	if err := s.close(patience); err != nil && code == exitOK {
		log.Error("what was not acknowledged may be lost", "error", err)
		code = exitFailed
	}
	log.Info("stopped", "code", code)
	return code
}
