package weir

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// notBound are functions of the ABI that this package has no use for, and why.
var notBound = map[string]string{
	"weir_queue_options_init": "the queue has no options",
	"weir_spill_map_async":    "View maps on the goroutine's own thread, as it reads local disks",
	"weir_batch_schema":       "a spill, a scan and a get have one schema for all their batches",
	"weir_batch_rows":         "arrow-go's batches know",
}

// Every function of the header is reached: itself, or its asynchronous form instead of its blocking one.
func TestCoversTheHeader(t *testing.T) {
	var sources strings.Builder
	for _, pattern := range []string{"*.go", "shim.[ch]"} {
		for _, name := range val(filepath.Glob(pattern))(t) {
			if !strings.HasSuffix(name, "_test.go") {
				sources.Write(val(os.ReadFile(name))(t))
			}
		}
	}
	header := string(val(os.ReadFile(filepath.Join("..", "..", "..", "include", "weir.h")))(t))
	declared := regexp.MustCompile(`(?m)^[A-Za-z][\w *]*?\b(weir_\w+)\(`).FindAllStringSubmatch(header, -1)
	if len(declared) < 90 {
		t.Fatalf("only %d functions were found in the header", len(declared))
	}
	for _, match := range declared {
		name := match[1]
		_, excused := notBound[name]
		if !excused && !strings.Contains(sources.String(), name+"(") && !strings.Contains(sources.String(), name+"_async(") {
			t.Errorf("%s is not bound", name)
		}
	}
}

// Errors cannot be asked which details they have, so the names are known here; all that weir's sources give are.
func TestKnowsAllDetails(t *testing.T) {
	known := string(val(os.ReadFile("shim.c"))(t))
	given := regexp.MustCompile(`with_(?:u64|str)\(\s*"(\w+)"`)
	found := 0
	ok(t, filepath.WalkDir(filepath.Join("..", "..", "..", "src"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".rs") || strings.Contains(path, "test") {
			return err
		}
		for _, match := range given.FindAllStringSubmatch(string(val(os.ReadFile(path))(t)), -1) {
			found++
			if !strings.Contains(known, `"`+match[1]+`"`) {
				t.Errorf("%s gives the detail %s, which shim.c does not ask for", path, match[1])
			}
		}
		return nil
	}))
	if found == 0 {
		t.Skip("weir's sources are not here")
	}
}

// Everything exported is documented, and what is shown of it names no type of C's.
func TestDocumentation(t *testing.T) {
	files := token.NewFileSet()
	for _, name := range val(filepath.Glob("*.go"))(t) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file := val(parser.ParseFile(files, name, nil, parser.ParseComments))(t)
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if !d.Name.IsExported() || onUnexported(d) {
					continue
				}
				if d.Doc == nil {
					t.Errorf("%s: %s has no comment", files.Position(d.Pos()), d.Name)
				}
				checkTypes(t, files, d.Type)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					checkSpec(t, files, d, spec)
				}
			}
		}
	}
}

func onUnexported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return false
	}
	on := d.Recv.List[0].Type
	if star, ok := on.(*ast.StarExpr); ok {
		on = star.X
	}
	return !on.(*ast.Ident).IsExported()
}

func checkSpec(t *testing.T, files *token.FileSet, d *ast.GenDecl, spec ast.Spec) {
	complain := func(name *ast.Ident) { t.Errorf("%s: %s has no comment", files.Position(name.Pos()), name) }
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if !s.Name.IsExported() {
			return
		}
		if d.Doc == nil && s.Doc == nil {
			complain(s.Name)
		}
		checkTypes(t, files, s.Type)
	case *ast.ValueSpec:
		for _, name := range s.Names {
			if !name.IsExported() {
				continue
			}
			// The codes are documented at the errors of the same names.
			if s.Doc == nil && (len(d.Specs) > 1 || d.Doc == nil) && !strings.HasPrefix(name.Name, "Code") {
				complain(name)
			}
			if s.Type != nil {
				checkTypes(t, files, s.Type)
			}
		}
	}
}

// checkTypes complains of C's types, but for those of fields and methods that are not exported.
func checkTypes(t *testing.T, files *token.FileSet, of ast.Expr) {
	ast.Inspect(of, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StructType:
			hide(n.Fields)
		case *ast.InterfaceType:
			hide(n.Methods)
		case *ast.SelectorExpr:
			if of, ok := n.X.(*ast.Ident); ok && of.Name == "C" {
				t.Errorf("%s: C.%s is shown", files.Position(n.Pos()), n.Sel)
			}
		}
		return true
	})
}

// hide leaves out what has a name that is not exported.
func hide(fields *ast.FieldList) {
	fields.List = slices.DeleteFunc(fields.List, func(f *ast.Field) bool {
		return len(f.Names) > 0 && !slices.ContainsFunc(f.Names, (*ast.Ident).IsExported)
	})
}

func TestErrorsOfTheStandardLibrary(t *testing.T) {
	for code, want := range map[Code]error{
		CodeNotFound: fs.ErrNotExist, CodeAlreadyExists: fs.ErrExist, CodePermissionDenied: fs.ErrPermission,
		CodeClosed: fs.ErrClosed, CodeUnsupported: errors.ErrUnsupported, CodeFenced: ErrFenced,
	} {
		err := newError(code, ActionFix, "x")
		is(t, err, want)
		equal(t, errors.Is(err, ErrInternal), false)
	}
	equal(t, CodeFenced.String(), "WEIR_STATUS_FENCED")
	equal(t, Code(9999).String(), "WEIR_STATUS_UNKNOWN")
	equal(t, ErrFenced.Error(), "WEIR_STATUS_FENCED")
	for action := ActionNone; action <= ActionReport; action++ {
		equal(t, strings.Contains(action.String(), "("), false)
	}
	equal(t, Action(99).String(), "Action(99)")
	if Version() == "" || checkABI() != nil {
		t.Fatal(Version())
	}
}

func TestOpenIPC(t *testing.T) {
	reader := val(OpenIPC(filepath.Join("..", "..", "..", "examples", "data", "flights.arrow")))(t)
	defer reader.Release()
	rows := int64(0)
	for reader.Next() {
		rows += reader.RecordBatch().NumRows()
	}
	ok(t, reader.Err())
	equal(t, rows, 4000)
	_, err := OpenIPC(filepath.Join(t.TempDir(), "none"))
	is(t, err, fs.ErrNotExist)
	damaged := filepath.Join(t.TempDir(), "damaged")
	ok(t, os.WriteFile(damaged, []byte("ARROW1\x00\x00 and no more"), 0o600))
	_, err = OpenIPC(damaged)
	is(t, err, ErrInvalidData)
	_, err = OpenIPC("a\x00b")
	is(t, err, ErrInvalidArgument)
}

// The options reach C: each by what it refuses or does.
func TestOptions(t *testing.T) {
	f := onDisk(t)
	w := f.writer(t, Durable(), WithFsync(false), WithValidation(false), WithCompression(CompressionZstd), WithRetries(1, time.Millisecond),
		WithManifestProbeWidth(4), WithTrimAge(time.Minute), WithMaxBufferBytes(1<<20), WithMaxPendingBytes(2<<20), WithLinger(0))
	val(w.Put(soon(t), newRecord(t, 0, 100)))(t)
	equal(t, val(w.Memory())(t).Limit, 2<<20)
	equal(t, val(w.Stats())(t).Entries, 1)
	ok(t, w.Close())
	a := f.appender(t, WithFsync(false), WithValidation(true), WithCompression(CompressionLZ4), WithRetries(0, 0))
	val(a.Append(soon(t), newRecord(t, 100, 100)))(t)
	for _, bad := range []AppenderOption{WithCompression(-1), WithManifestProbeWidth(65)} {
		_, err := OpenAppender(soon(t), f.s, f.root, f.shard, testSchema, bad)
		is(t, err, ErrInvalidArgument)
	}
	ok(t, a.CheckFenced(soon(t))) // it was fenced by none of them
	tailer := f.tailer(t, From(3), WithPrefetch(4, 1<<20), WithPolling(time.Millisecond, time.Second))
	entry := val(tailer.Next(soon(t)))(t)
	equal(t, slices.Equal(entryIDs(t, entry), upTo(200)[100:]), true)
	entry.Release()
	_, err := OpenTailer(f.s, f.root, f.shard, WithPrefetch(0, 0))
	is(t, err, ErrInvalidArgument)
	val(NewSession(WithStoreSettings(map[string]string{"weir_fsync": "false"})))(t).Close()
	_, err = NewSession(WithStoreSetting("weir_fsync", "perhaps"))
	is(t, err, ErrInvalidArgument)
	// An opening that takes too long ends with its context.
	slow := newSession(t, slowSession(100*time.Millisecond))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = OpenWriter(ctx, slow, memoryRoot(), newShard(), testSchema)
	is(t, err, context.DeadlineExceeded)
}

// Close gives up waiting when its context ends, and can be called again.
func TestCloseContext(t *testing.T) {
	f := onMemory(t, slowSession(20*time.Millisecond))
	w := f.writer(t, Buffered(), WithLinger(time.Hour))
	val(w.Put(soon(t), newRecord(t, 0, 1)))(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	is(t, w.CloseContext(ctx), ErrTimedOut)
	_, err := w.Put(soon(t), newRecord(t, 1, 1))
	is(t, err, ErrClosed)
	ok(t, w.Close())
	equal(t, w.DurablePosition(), 1)
	aborted := f.writer(t, Buffered(), WithLinger(time.Hour))
	val(aborted.Put(soon(t), newRecord(t, 1, 1)))(t)
	ok(t, aborted.Abort())
	ok(t, aborted.Close())
	equal(t, slices.Equal(f.ids(t), upTo(1)), true)
}

// A Close obeys its context also beside another one, and refuses what comes after it even if the context has ended.
func TestCloseContextBesideAnotherClose(t *testing.T) {
	f := onMemory(t, slowSession(100*time.Millisecond))
	w, a := f.writer(t, WithoutMemTable(), Buffered(), WithLinger(time.Hour)), fixture{f.s, f.root, newShard()}.appender(t)
	for name, c := range map[string]struct {
		begin   func(context.Context) error // what Close waits for
		closing func(context.Context) error
	}{
		"writer":   {func(ctx context.Context) error { _, err := w.PutAsync(newRecord(t, 0, 1)); return err }, w.CloseContext},
		"appender": {func(ctx context.Context) error { _, err := a.Append(ctx, newRecord(t, 0, 1)); return err }, a.CloseContext},
	} {
		t.Run(name, func(t *testing.T) {
			ended, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			if err := c.begin(ended); err != nil {
				is(t, err, ErrOutcomeUnknown) // it is under way
			}
			<-ended.Done()
			is(t, c.closing(ended), context.DeadlineExceeded)
			var others sync.WaitGroup
			for range 3 {
				others.Go(func() { ok(t, c.closing(soon(t))) })
			}
			time.Sleep(time.Millisecond) // as a rule they wait by then
			is(t, c.closing(ended), context.DeadlineExceeded)
			others.Wait()
			ok(t, c.closing(ended)) // what it came to is known
		})
	}
	equal(t, w.DurablePosition(), 1)
}

// An Abort ends a Close that waits, which says so, as does every Close after it; a put's outcome is told whatever became of the context.
func TestAbortBesideClose(t *testing.T) {
	f := onMemory(t, slowSession(50*time.Millisecond))
	w := f.writer(t, WithoutMemTable())
	put := val(w.PutAsync(newRecord(t, 0, 1)))(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	is(t, w.CloseContext(ended), context.Canceled) // it is begun
	done := make(chan error)
	go func() { done <- w.Close() }()
	ok(t, w.Abort())
	is(t, <-done, ErrClosed)
	is(t, w.Close(), ErrClosed)
	ok(t, w.Abort())
	<-put.Done()
	ack, err := put.Wait(soon(t))
	for range 20 {
		again, known := put.Wait(ended)
		equal(t, again, ack)
		equal(t, known, err)
	}
}

// Whether another Close waits or none, one whose context has ended has puts and appends refused.
func TestCloseContextRefusesAtOnce(t *testing.T) {
	f := onMemory(t)
	w, a := f.writer(t), fixture{f.s, f.root, newShard()}.appender(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	w.CloseContext(ended) // an error, unless it was quick
	_, err := w.Put(soon(t), newRecord(t, 0, 1))
	is(t, err, ErrClosed)
	a.CloseContext(ended)
	ok(t, w.Close())
	ok(t, a.Close())
}

// What can be done once per process is done in another one.
func TestRuntime(t *testing.T) {
	if os.Getenv("WEIR_TEST_RUNTIME") != "" {
		inChild(t)
		return
	}
	self := val(os.Executable())(t)
	child := exec.CommandContext(soon(t), self, "-test.run=^TestRuntime$", "-test.v")
	child.Env = append(os.Environ(), "WEIR_TEST_RUNTIME=1")
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "shut down") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func inChild(t *testing.T) {
	is(t, Configure(RuntimeOptions{WorkerThreads: 5000}), ErrInvalidArgument)
	ok(t, Configure(RuntimeOptions{WorkerThreads: 1, ThreadName: "mine"}))
	is(t, Configure(RuntimeOptions{}), ErrAlreadyExists)
	f := onMemory(t)
	w := f.writer(t)
	val(w.Put(soon(t), newRecord(t, 0, 1)))(t)
	named := 0
	for _, task := range val(os.ReadDir("/proc/self/task"))(t) {
		name, _ := os.ReadFile(filepath.Join("/proc/self/task", task.Name(), "comm"))
		if strings.HasPrefix(string(name), "mine-worker") {
			named++
		}
	}
	equal(t, named > 0, true)
	tailer := f.tailer(t, Follow(), From(2))
	waits := make(chan error)
	go func() { _, err := tailer.Next(context.Background()); waits <- err }()
	time.Sleep(5 * time.Millisecond)
	ok(t, w.Close())
	ok(t, Shutdown(soon(t)))
	err := <-waits
	if !errors.Is(err, ErrCancelled) && !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	_, err = OpenWriter(soon(t), f.s, f.root, f.shard, testSchema)
	is(t, err, ErrClosed)
	ok(t, Shutdown(soon(t)))
	t.Log("shut down")
}
