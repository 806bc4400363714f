#include "weir.h"
int weir_header_alone(void);
int weir_header_alone(void) { return WEIR_STATUS_OK; }
