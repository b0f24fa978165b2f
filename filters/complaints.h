/* Telling the operator, in Envoy's log under `dynamic_modules`. */
#ifndef REMIXER_COMPLAINTS_H
#define REMIXER_COMPLAINTS_H

#include "envoy_abi.h"

/* One line, cut at 512 bytes. `level` is one of `enum log_level`. May come from any thread. */
void tell(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
