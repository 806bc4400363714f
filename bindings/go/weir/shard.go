package weir

// #include "shim.h"
import "C"

import (
	"context"
	"strings"
	"time"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
)

// onShard runs an asynchronous call on a shard.
func (s *Session) onShard(ctx context.Context, what, root, shard string,
	issue func(*C.WeirSession, texts, C.WeirCompletion, **C.WeirError) C.WeirStatus) (outcome, error) {
	names, err := newTexts(root, shard)
	if err != nil {
		return outcome{}, err
	}
	defer names.free()
	return s.h.run(ctx, what+" of shard "+shard, func(p unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return issue((*C.WeirSession)(p), names, done, cErr)
	})
}

// ListShards lists the ids of the shards below a root, sorted. A root that does not exist has none.
func (s *Session) ListShards(ctx context.Context, root string) ([]string, error) {
	out, err := s.onShard(ctx, "the listing", root, "", func(session *C.WeirSession, t texts, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_shard_list_async(session, t.root, done, cErr)
	})
	if err != nil {
		return nil, err
	}
	return strings.Fields(takeText((*C.WeirBuffer)(out.result))), nil
}

// A ShardField is a field of a shard spec and its value.
type ShardField struct {
	ID    string
	Value []byte
}

// A Manifest is one version of a shard's manifest, as read.
type Manifest struct {
	// Version is 1 or more.
	Version uint64
	// WriterEpoch is that of the writer that owns the shard; 0 before the first claim.
	WriterEpoch uint64
	// ReplayAfter is the position up to which generations cover the log; replay starts after it.
	ReplayAfter uint64
	// LastSeen is a position that was in the log when the version was written: a hint.
	LastSeen uint64
	// CurrentGeneration is the one that the owner fills.
	CurrentGeneration uint64
	// Sealed is whether the shard is sealed against writers.
	Sealed bool
	// ShardSpecID is the shard spec that the shard belongs to; 0 = none.
	ShardSpecID uint32
	// SSTables is the number of published generations.
	SSTables int
	// Fields are those of the shard spec.
	Fields []ShardField
}

// takeManifest copies a manifest and frees it.
func takeManifest(m *C.WeirManifest) (*Manifest, error) {
	defer C.weir_manifest_free(m)
	out := &Manifest{
		Version:           uint64(C.weir_manifest_version(m)),
		WriterEpoch:       uint64(C.weir_manifest_writer_epoch(m)),
		ReplayAfter:       uint64(C.weir_manifest_replay_after(m)),
		LastSeen:          uint64(C.weir_manifest_last_seen(m)),
		CurrentGeneration: uint64(C.weir_manifest_current_generation(m)),
		Sealed:            bool(C.weir_manifest_is_sealed(m)),
		ShardSpecID:       uint32(C.weir_manifest_shard_spec_id(m)),
		SSTables:          int(C.weir_manifest_sstable_count(m)),
	}
	for i := range int(C.weir_manifest_field_count(m)) {
		var id *C.char
		var value *C.uint8_t
		var idLen, valueLen C.size_t
		var cErr *C.WeirError
		if err := takeError(C.weir_manifest_field(m, C.size_t(i), &id, &idLen, &value, &valueLen, &cErr), cErr); err != nil {
			return nil, err
		}
		out.Fields = append(out.Fields, ShardField{
			ID:    string(unsafe.Slice((*byte)(unsafe.Pointer(id)), idLen)),
			Value: append([]byte{}, unsafe.Slice((*byte)(unsafe.Pointer(value)), valueLen)...),
		})
	}
	return out, nil
}

// Manifest reads a shard's newest manifest.
func (s *Session) Manifest(ctx context.Context, root, shard string) (*Manifest, error) {
	out, err := s.onShard(ctx, "the manifest", root, shard, func(session *C.WeirSession, t texts, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_shard_manifest_async(session, t.root, t.shard, done, cErr)
	})
	if err != nil {
		return nil, err
	}
	return takeManifest((*C.WeirManifest)(out.result))
}

// InitShard makes a shard that does not exist yet, with the values of its spec's fields, unclaimed. It is not needed for a shard without
// a spec: the first writer makes it.
func (s *Session) InitShard(ctx context.Context, root, shard string, specID uint32, fields ...ShardField) error {
	var array *C.WeirShardField
	if n := len(fields); n > 0 { // none is NULL (PITFALLS X6)
		array = (*C.WeirShardField)(C.calloc(C.size_t(n), C.sizeof_WeirShardField))
		defer C.free(unsafe.Pointer(array))
		for i, f := range unsafe.Slice(array, n) {
			if strings.ContainsRune(fields[i].ID, 0) {
				return newError(CodeInvalidArgument, ActionFix, "the id of a field contains a NUL")
			}
			f.field_id = C.CString(fields[i].ID)
			defer C.free(unsafe.Pointer(f.field_id))
			if len(fields[i].Value) > 0 {
				value := C.CBytes(fields[i].Value)
				defer C.free(value)
				f.value, f.value_len = (*C.uint8_t)(value), C.size_t(len(fields[i].Value))
			}
			unsafe.Slice(array, n)[i] = f
		}
	}
	_, err := s.onShard(ctx, "the making", root, shard, func(session *C.WeirSession, t texts, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_shard_init_async(session, t.root, t.shard, C.uint32_t(specID), array, C.size_t(len(fields)), done, cErr)
	})
	return err
}

// Seal seals a shard against writers: fences the present one and refuses later ones with ErrSealed. Reading goes on.
func (s *Session) Seal(ctx context.Context, root, shard string) error {
	_, err := s.onShard(ctx, "the sealing", root, shard, func(session *C.WeirSession, t texts, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_shard_seal_async(session, t.root, t.shard, done, cErr)
	})
	return err
}

// Unseal opens a sealed shard for writers again. It does nothing to one that is not sealed.
func (s *Session) Unseal(ctx context.Context, root, shard string) error {
	_, err := s.onShard(ctx, "the unsealing", root, shard, func(session *C.WeirSession, t texts, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_shard_unseal_async(session, t.root, t.shard, done, cErr)
	})
	return err
}

// DefaultTrimAge has Trim use the age that holds by default: 24 hours.
const DefaultTrimAge time.Duration = -1

// Trim removes the oldest entries of a shard's log, up to and including a position, as far as they are older than age; the newest entry
// always stays. The age must exceed by far how long a writer may be stalled, and the writers' must not be larger. Trim returns the oldest
// position that is left, 0 if the log is empty. It is safe while writers and tailers are at work.
func (s *Session) Trim(ctx context.Context, root, shard string, upTo uint64, age time.Duration) (first uint64, err error) {
	var options C.WeirTrimOptions
	C.weir_trim_options_init(&options, C.sizeof_WeirTrimOptions)
	if age >= 0 {
		options.trim_age_ms = C.int64_t(age.Milliseconds())
	}
	out, err := s.onShard(ctx, "the trimming", root, shard, func(session *C.WeirSession, t texts, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_shard_trim_async(session, t.root, t.shard, C.uint64_t(upTo), &options, done, cErr)
	})
	return out.value, err
}

// Buckets returns the bucket of every value of a column, 0 to buckets-1, for routing rows to shards: Lance's hash. Null goes to bucket
// 0. There may be 1 to 1024 buckets.
func Buckets(column arrow.Array, buckets int) ([]int32, error) {
	e, err := acquireEngine()
	if err != nil {
		return nil, err
	}
	defer e.unuse()
	schema, err := exportSchema(arrow.NewSchema([]arrow.Field{{Name: "column", Type: column.DataType(), Nullable: true}}, nil))
	if err != nil {
		return nil, err
	}
	defer freeSchema(schema)
	out := make([]int32, column.Len())
	var first *C.int32_t // nil if there are none (PITFALLS X6)
	if len(out) > 0 {
		first = (*C.int32_t)(&out[0])
	}
	array, err := exportTree(column.Data(), column, e)
	if err != nil {
		return nil, err
	}
	var cErr *C.WeirError
	status := C.weir_bucket_of(array, *schema.children, C.int32_t(min(max(buckets, -1), 1<<30)), first, C.size_t(len(out)), &cErr)
	if err := takeError(status, cErr); err != nil {
		return nil, err
	}
	return out, nil
}
