package weir

import (
	"slices"
	"testing"
)

func numbers(n int64) (ids []int64) {
	for i := range n {
		ids = append(ids, i)
	}
	return ids
}

// An entry that is there is read on the caller's thread, unless too many threads read already: both ways give the same.
func TestNextOnEitherThread(t *testing.T) {
	f := onDisk(t)
	a := f.appender(t)
	for i := range int64(20) {
		val(a.Append(t.Context(), newRecord(t, i*5, 5)))(t)
	}
	if ids := f.ids(t); !slices.Equal(ids, numbers(100)) {
		t.Errorf("read on this thread: %v", ids)
	}
	readingNow.Add(mostReadingNow)
	defer readingNow.Add(-mostReadingNow)
	tl := f.tailer(t)
	p := val(tl.use())(t)
	defer tl.h.put()
	if _, _, found := tl.now(p); found {
		t.Error("one thread more than the most reads")
	}
	if ids := f.ids(t); !slices.Equal(ids, numbers(100)) {
		t.Errorf("read on a thread of weir's: %v", ids)
	}
}

// Where entries are waited for, Next looks rarely whether one is there at once; where they are there, it is back to that soon.
func TestNextLooksRarelyWhereItWaits(t *testing.T) {
	f := onDisk(t)
	a := f.appender(t)
	tl := f.tailer(t, Follow())
	p := val(tl.use())(t) // as in Next
	defer tl.h.put()
	looks := 0
	for range 1000 {
		if tl.pull.looks.pauses.Load() == 0 {
			looks++
		}
		if entry, err, found := tl.now(p); found {
			t.Fatalf("in an empty log there is %v, %v", entry, err)
		}
	}
	if looks < 10 || looks > 30 {
		t.Errorf("%d looks for 1000 entries that were waited for", looks)
	}
	for i := range int64(3) {
		val(a.Append(t.Context(), newRecord(t, i, 1)))(t)
	}
	calls := 0
	for position := uint64(1); position <= 3; {
		calls++
		entry, err, found := tl.now(p)
		ok(t, err)
		if !found {
			continue
		}
		if entry.Position() != position {
			t.Errorf("position %d came for %d", entry.Position(), position)
		}
		position++
		entry.Release()
	}
	if calls > maxPauses+3 {
		t.Errorf("%d calls for 3 entries", calls)
	}
}

// A Next that waits may be sent elsewhere, and is interrupted there as well.
func TestInterruptAfterSeek(t *testing.T) {
	f := onDisk(t)
	tl := f.tailer(t, Follow())
	done := make(chan error, 1)
	go func() {
		_, err := tl.Next(t.Context())
		done <- err
	}()
	eventually(t, "Next waits", func() bool {
		tl.mu.Lock()
		defer tl.mu.Unlock()
		return tl.asked
	})
	ok(t, tl.Seek(5))
	tl.Interrupt()
	is(t, <-done, ErrCancelled)
	equal(t, tl.Position(), 5)
}

// The entries of one writer share one schema, to the instance; that of another one is its own.
func TestEntriesShareTheirSchema(t *testing.T) {
	f := onDisk(t)
	for i := range int64(2) { // the second leaves a sentinel
		a := f.appender(t)
		for k := range int64(3) {
			val(a.Append(t.Context(), newRecord(t, i*3+k, 1)))(t)
		}
		ok(t, a.Close())
	}
	tl := f.tailer(t)
	var entries []*Entry
	for range 7 {
		entry := val(tl.Next(t.Context()))(t)
		defer entry.Release()
		entries = append(entries, entry)
	}
	for i, entry := range entries {
		schema := val(entry.Schema())(t)
		switch {
		case i == 3:
			if !entry.IsSentinel() || schema.NumFields() != 0 {
				t.Errorf("the sentinel has the schema %v", schema)
			}
			continue
		case !schema.Equal(testSchema):
			t.Errorf("entry %d has the schema %v", i, schema)
		case i > 0 && i != 4 && schema != val(entries[i-1].Schema())(t):
			t.Errorf("entry %d has a schema of its own", i)
		}
		for record, err := range entry.Batches() {
			ok(t, err)
			if record.Schema() != schema {
				t.Errorf("the batch of entry %d has the schema %v", i, record.Schema())
			}
		}
	}
}
