/* A program that has Arrow's structs from elsewhere. */
#include <stdint.h>
#define ARROW_C_DATA_INTERFACE
#define ARROW_C_STREAM_INTERFACE
struct ArrowSchema { int64_t other; };
struct ArrowArray { int64_t other; };
struct ArrowArrayStream { int64_t other; };
#include "weir.h"
int weir_header_after(void);
int weir_header_after(void) { return 0; }
