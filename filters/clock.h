/* Time that never goes back, and numbers nobody can guess. */
#ifndef REMIXER_CLOCK_H
#define REMIXER_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_us(void);
void random_bytes(void *to, size_t length);
/* From 0 up to 1, without 1. */
double random_share(void);

#endif
