package weir

// #include "shim.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
)

// A Code says what a call came to. Each code but CodeOK is itself an error, the one that errors.Is matches: see ErrFenced and its
// neighbours. The numbers are those of the C ABI and are never reused.
type Code int32

// The codes.
const (
	CodeOK               Code = C.WEIR_STATUS_OK
	CodeInvalidArgument  Code = C.WEIR_STATUS_INVALID_ARGUMENT
	CodeSchemaMismatch   Code = C.WEIR_STATUS_SCHEMA_MISMATCH
	CodeInvalidData      Code = C.WEIR_STATUS_INVALID_DATA
	CodeNotFound         Code = C.WEIR_STATUS_NOT_FOUND
	CodeAlreadyExists    Code = C.WEIR_STATUS_ALREADY_EXISTS
	CodeUnsupported      Code = C.WEIR_STATUS_UNSUPPORTED
	CodeStorage          Code = C.WEIR_STATUS_STORAGE
	CodeStorageFull      Code = C.WEIR_STATUS_STORAGE_FULL
	CodePermissionDenied Code = C.WEIR_STATUS_PERMISSION_DENIED
	CodeCorruption       Code = C.WEIR_STATUS_CORRUPTION
	CodeFenced           Code = C.WEIR_STATUS_FENCED
	CodePoisoned         Code = C.WEIR_STATUS_POISONED
	CodeSealed           Code = C.WEIR_STATUS_SEALED
	CodeTrimmed          Code = C.WEIR_STATUS_TRIMMED
	CodeBackpressure     Code = C.WEIR_STATUS_BACKPRESSURE
	CodeTimedOut         Code = C.WEIR_STATUS_TIMED_OUT
	CodeCancelled        Code = C.WEIR_STATUS_CANCELLED
	CodeOutcomeUnknown   Code = C.WEIR_STATUS_OUTCOME_UNKNOWN
	CodeClosed           Code = C.WEIR_STATUS_CLOSED
	CodeForked           Code = C.WEIR_STATUS_FORKED
	CodePanic            Code = C.WEIR_STATUS_PANIC
	CodeWouldDeadlock    Code = C.WEIR_STATUS_WOULD_DEADLOCK
	CodeConflict         Code = C.WEIR_STATUS_CONFLICT
	CodeDiskCapExceeded  Code = C.WEIR_STATUS_DISK_CAP_EXCEEDED
	CodeInternal         Code = C.WEIR_STATUS_INTERNAL
)

// What errors.Is recognises. An error of weir's is always an *Error; these say which it is.
var (
	// ErrInvalidArgument: an argument, option or URL is not valid.
	ErrInvalidArgument error = CodeInvalidArgument
	// ErrSchemaMismatch: a batch does not have the writer's schema, or a schema cannot be stored.
	ErrSchemaMismatch error = CodeSchemaMismatch
	// ErrInvalidData: Arrow data breaks the format's rules.
	ErrInvalidData error = CodeInvalidData
	// ErrNotFound: the root, shard, entry or object does not exist. Also matched by fs.ErrNotExist.
	ErrNotFound error = CodeNotFound
	// ErrAlreadyExists: what was to be created exists. Also matched by fs.ErrExist.
	ErrAlreadyExists error = CodeAlreadyExists
	// ErrUnsupported: the store, scheme, format or feature is not supported. Also matched by errors.ErrUnsupported.
	ErrUnsupported error = CodeUnsupported
	// ErrStorage: the store failed.
	ErrStorage error = CodeStorage
	// ErrStorageFull: the store has no room left.
	ErrStorageFull error = CodeStorageFull
	// ErrPermissionDenied: the store refused access. Also matched by fs.ErrPermission.
	ErrPermissionDenied error = CodePermissionDenied
	// ErrCorruption: bytes on storage are not what was written.
	ErrCorruption error = CodeCorruption
	// ErrFenced: another writer claimed the shard with a higher epoch. This writer is done for ever.
	ErrFenced error = CodeFenced
	// ErrPoisoned: an append failed for good. This writer is done for ever; opening the shard again settles what is in the log.
	ErrPoisoned error = CodePoisoned
	// ErrSealed: the shard is sealed against writers.
	ErrSealed error = CodeSealed
	// ErrTrimmed: the position was trimmed from the log; the detail "first_position" is the oldest that is left.
	ErrTrimmed error = CodeTrimmed
	// ErrBackpressure: a limit on bytes that are pending or not flushed is reached, and nothing was accepted.
	ErrBackpressure error = CodeBackpressure
	// ErrTimedOut: the context's deadline passed. Also matched by context.DeadlineExceeded if it was a context's.
	ErrTimedOut error = CodeTimedOut
	// ErrCancelled: the context was cancelled, or the call interrupted. Also matched by context.Canceled if it was a context.
	ErrCancelled error = CodeCancelled
	// ErrOutcomeUnknown: what was put was accepted, and whether it is or becomes durable is not known.
	ErrOutcomeUnknown error = CodeOutcomeUnknown
	// ErrClosed: the handle is closed. Also matched by fs.ErrClosed.
	ErrClosed error = CodeClosed
	// ErrForked: the process forked after weir was used.
	ErrForked error = CodeForked
	// ErrPanic: a panic was caught, a bug in weir.
	ErrPanic error = CodePanic
	// ErrWouldDeadlock: a blocking call was made from one of weir's own threads.
	ErrWouldDeadlock error = CodeWouldDeadlock
	// ErrConflict: a race for the shard was lost to another claimer.
	ErrConflict error = CodeConflict
	// ErrDiskCapExceeded: a spill store's cap is reached.
	ErrDiskCapExceeded error = CodeDiskCapExceeded
	// ErrInternal: an invariant of weir's does not hold, a bug.
	ErrInternal error = CodeInternal
)

// String returns the name of the code as in the C ABI, such as "WEIR_STATUS_FENCED".
func (c Code) String() string { return C.GoString(C.weir_status_name(C.int32_t(c))) }

// Error makes a Code the error that errors.Is looks for.
func (c Code) Error() string { return c.String() }

// An Action says what the caller should do about an error.
type Action int32

// The actions.
const (
	// ActionNone: there is no error.
	ActionNone Action = C.WEIR_ACTION_NONE
	// ActionRetry: the same call may succeed later.
	ActionRetry Action = C.WEIR_ACTION_RETRY
	// ActionReopen: open the handle again; what was acknowledged is safe.
	ActionReopen Action = C.WEIR_ACTION_REOPEN
	// ActionFix: correct the argument, the data or the environment.
	ActionFix Action = C.WEIR_ACTION_FIX
	// ActionStop: someone else owns the shard, or its data is damaged.
	ActionStop Action = C.WEIR_ACTION_STOP
	// ActionReport: report a bug.
	ActionReport Action = C.WEIR_ACTION_REPORT
)

// String returns the action as a verb.
func (a Action) String() string {
	switch a {
	case ActionNone:
		return "none"
	case ActionRetry:
		return "retry"
	case ActionReopen:
		return "reopen"
	case ActionFix:
		return "fix"
	case ActionStop:
		return "stop"
	case ActionReport:
		return "report"
	}
	return fmt.Sprintf("Action(%d)", int32(a))
}

// Details are what an error says beside its message, such as "position" or "epoch": numbers are uint64, texts are string.
type Details map[string]any

// Uint64 returns the number under name, and whether there is one.
func (d Details) Uint64(name string) (uint64, bool) {
	n, ok := d[name].(uint64)
	return n, ok
}

// Text returns the text under name, and whether there is one.
func (d Details) Text(name string) (string, bool) {
	s, ok := d[name].(string)
	return s, ok
}

// An Error is what went wrong in weir. All errors of this package are of this type, but io.EOF at the end of a log and what a
// caller's own readers return.
type Error struct {
	// Code says what happened; errors.Is(err, ErrFenced) and so on ask for it.
	Code Code
	// Action says what to do about it.
	Action Action
	// Message names the object, position, epoch or counts concerned.
	Message string
	// Details has these for programs.
	Details Details

	cause error
}

func newError(code Code, action Action, message string) *Error {
	return &Error{Code: code, Action: action, Message: message}
}

// Error returns the message.
func (e *Error) Error() string { return "weir: " + e.Message }

// Unwrap returns the error of the context or of the caller's own code that was behind this one, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Is tells errors.Is which of the package's and of the standard library's errors this is.
func (e *Error) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return e.Code == CodeNotFound
	case fs.ErrExist:
		return e.Code == CodeAlreadyExists
	case fs.ErrPermission:
		return e.Code == CodePermissionDenied
	case fs.ErrClosed:
		return e.Code == CodeClosed
	case errors.ErrUnsupported:
		return e.Code == CodeUnsupported
	}
	code, ok := target.(Code)
	return ok && code == e.Code
}

// As tells errors.As which of the package's other error types this also is: *CapExceededError.
func (e *Error) As(target any) bool {
	to, ok := target.(**CapExceededError)
	if !ok || e.Code != CodeDiskCapExceeded {
		return false
	}
	refused := &CapExceededError{err: e}
	refused.Cap, _ = e.Details.Uint64("cap_bytes")
	refused.Used, _ = e.Details.Uint64("used_bytes")
	refused.Requested, _ = e.Details.Uint64("requested_bytes")
	*to = refused
	return true
}

// A CapExceededError says, to errors.As, by which cap a write to a spill was refused: that of its store, or of one above. Nothing of the
// write was taken. It is ErrDiskCapExceeded.
type CapExceededError struct {
	// Cap is the cap, in bytes.
	Cap uint64
	// Used is how many bytes were held below it.
	Used uint64
	// Requested is how many more the write wanted.
	Requested uint64

	err *Error
}

// Error returns the message.
func (e *CapExceededError) Error() string { return e.err.Error() }

// Unwrap returns the *Error.
func (e *CapExceededError) Unwrap() error { return e.err }

// Timeout reports whether the error is that a deadline passed, as net.Error has it.
func (e *Error) Timeout() bool {
	return e.Code == CodeTimedOut || errors.Is(e.cause, context.DeadlineExceeded)
}

// with returns the error with a detail added.
func (e *Error) with(name string, value any) *Error {
	details := maps.Clone(e.Details)
	if details == nil {
		details = Details{}
	}
	details[name] = value
	e.Details = details
	return e
}

// takeError turns a failed call's error into one of Go's, and frees it; nil if the call succeeded.
func takeError(status C.WeirStatus, e *C.WeirError) error {
	if status == C.WEIR_STATUS_OK {
		return nil
	}
	if e == nil { // weir had no memory for it
		code := Code(status)
		return newError(code, ActionReport, code.String())
	}
	var read C.WeirGoError
	C.weirgo_error_read(e, &read)
	err := newError(Code(read.code), Action(read.action), C.GoString(read.message))
	if n := int(read.details_len); n > 0 {
		err.Details = make(Details, n)
		for _, d := range read.details[:n] {
			if d.text != nil {
				err.Details[C.GoString(d.name)] = C.GoString(d.text)
			} else {
				err.Details[C.GoString(d.name)] = uint64(d.number)
			}
		}
	}
	C.weir_error_free(e)
	return err
}

// contextError is why a call ended with its context: TIMED_OUT or CANCELLED, with the context's own cause inside.
func contextError(ctx context.Context, what string) *Error {
	cause := context.Cause(ctx)
	err := newError(CodeCancelled, ActionRetry, what+": "+cause.Error())
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err.Code = CodeTimedOut
	}
	err.cause = &contextCause{ctx.Err(), cause}
	return err
}

// contextCause is a context's error and its cause, which need not be the same.
type contextCause struct{ err, cause error }

func (c *contextCause) Error() string   { return c.cause.Error() }
func (c *contextCause) Unwrap() []error { return []error{c.err, c.cause} }

// unknownOutcome is why a put or an append ended with its context after it was accepted.
func unknownOutcome(ctx context.Context, what string) *Error {
	err := contextError(ctx, what)
	err.Code, err.Action = CodeOutcomeUnknown, ActionReopen
	return err
}
