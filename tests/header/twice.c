#include "weir.h"
#include "weir.h"
int weir_header_twice(void);
int weir_header_twice(void) { return WEIR_VERSION_MAJOR; }
