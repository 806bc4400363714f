package weir

// #include "shim.h"
import "C"

import (
	"context"
	"log/slog"
	"runtime/cgo"
)

// A LogLevel says how much is logged.
type LogLevel int32

// The levels.
const (
	// LogOff logs nothing.
	LogOff LogLevel = C.WEIR_LOG_LEVEL_OFF
	// LogError logs what failed.
	LogError LogLevel = C.WEIR_LOG_LEVEL_ERROR
	// LogWarn logs also what may fail, or was overcome.
	LogWarn LogLevel = C.WEIR_LOG_LEVEL_WARN
	// LogInfo logs also what changed, such as a claim. It holds at first.
	LogInfo LogLevel = C.WEIR_LOG_LEVEL_INFO
	// LogDebug logs also what was decided on the way.
	LogDebug LogLevel = C.WEIR_LOG_LEVEL_DEBUG
	// LogTrace logs all.
	LogTrace LogLevel = C.WEIR_LOG_LEVEL_TRACE
)

// LevelTrace is the slog level of weir's traces.
const LevelTrace = slog.LevelDebug - 4

// SetLogLevel sets how much weir logs.
func SetLogLevel(level LogLevel) error {
	var cErr *C.WeirError
	return takeError(C.weir_log_set_level(C.int32_t(level), &cErr), cErr)
}

// SetLogger sets where weir's messages go, instead of where they went; nil is nowhere, as it is at first. Each record has the attribute
// "target", the part of weir or of its libraries that it comes from. The handler is called from threads of weir's, several at once, and
// must not make calls of this package that wait.
func SetLogger(logger *slog.Logger) error {
	var handle cgo.Handle
	if logger != nil {
		handle = cgo.NewHandle(logger)
	}
	status := C.weirgo_set_sink(C.uintptr_t(handle))
	err := takeError(status.status, status.error)
	if err != nil && handle != 0 {
		handle.Delete()
	}
	return err
}

//export weirgoLog
func weirgoLog(handle C.uintptr_t, level C.int32_t, target, message *C.char) {
	// A handler that panics must not unwind through weir, and there is nobody else to tell.
	defer func() { _ = recover() }()
	logger := cgo.Handle(handle).Value().(*slog.Logger)
	ctx := context.Background()
	if to := slogLevel(LogLevel(level)); logger.Enabled(ctx, to) {
		logger.LogAttrs(ctx, to, C.GoString(message), slog.String("target", C.GoString(target)))
	}
}

//export weirgoLogRelease
func weirgoLogRelease(handle C.uintptr_t) { cgo.Handle(handle).Delete() }

func slogLevel(level LogLevel) slog.Level {
	switch level {
	case LogError:
		return slog.LevelError
	case LogWarn:
		return slog.LevelWarn
	case LogInfo:
		return slog.LevelInfo
	case LogDebug:
		return slog.LevelDebug
	}
	return LevelTrace
}
