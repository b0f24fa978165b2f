/* Names to what they stand for: written once while settings are read, then only looked up. */
#ifndef REMIXER_NAMES_H
#define REMIXER_NAMES_H

#include "text.h"

typedef struct name {
    char *text;
    size_t length;
    char *meaning;
} name;

typedef struct names {
    name *slots; /* open addressing; a free one has no text */
    size_t room; /* a power of two, or 0 */
    size_t count;
    uint64_t seed;
} names;

/* False if there is no memory. A name that is there already gets the new meaning. */
bool names_put(names *in, text key, text meaning);
/* NULL if it is not there. Names are compared as they are, letter case included. */
const char *names_find(const names *in, text key);
void names_free(names *in);

#endif
