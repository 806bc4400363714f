/// @file
/// weir for C++17 and later: write-ahead shards of Arrow batches on object storage, spills and a cache. Header-only, over weir.h; link `-lweir`.
///
/// @code
/// auto session = weir::Session::create();
/// auto writer = weir::Writer::open(*session, "file:///var/lib/events", shard, schema);
/// if (!writer) return report(writer.error());
/// weir::Result<weir::Ack> ack = writer->put(std::move(batch));   // durable on return
/// @endcode
///
/// * Whatever can fail gives a Result: a value or an Error. Only Result::value() throws.
/// * Handles are move-only and free what they own. Their calls may run on several threads at once; see Handle.
/// * Arrow data goes in and out as the structs of the C data interface, owned by Schema, Array and ArrayStream. `weir/arrow.hpp` and
///   `weir/nanoarrow.hpp`, which this header does not include, turn those into the types of Arrow C++ and of nanoarrow.
/// * Each call that does I/O has an `…_async` form, which gives an Operation: a coroutine, a future, a callback, or an event.
#ifndef WEIR_WEIR_HPP
#define WEIR_WEIR_HPP

#include "async.hpp"
#include "c_data.hpp"
#include "cache.hpp"
#include "error.hpp"
#include "handle.hpp"
#include "reads.hpp"
#include "result.hpp"
#include "session.hpp"
#include "shard.hpp"
#include "snapshot.hpp"
#include "spill.hpp"
#include "tailer.hpp"
#include "value.hpp"
#include "writer.hpp"

#endif
