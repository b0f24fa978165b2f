/* Text that is not ours: where it begins and how long it is. Never ends with a NUL. */
#ifndef REMIXER_TEXT_H
#define REMIXER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct text {
    const char *at;
    size_t length;
} text;

#define TEXT(literal) ((text){(literal), sizeof(literal) - 1})

static inline text text_of(const char *string) { return (text){string, strlen(string)}; }

static inline bool text_equal(text left, text right) {
    return left.length == right.length &&
           (left.length == 0 || memcmp(left.at, right.at, left.length) == 0);
}

static inline bool text_starts(text whole, text start) {
    return whole.length >= start.length && memcmp(whole.at, start.at, start.length) == 0;
}

static inline bool text_ends(text whole, text end) {
    return whole.length >= end.length &&
           memcmp(whole.at + whole.length - end.length, end.at, end.length) == 0;
}

/* FNV-1a from a start that differs per process, so that nobody can choose colliding names. */
static inline uint64_t text_hash(text value, uint64_t seed) {
    uint64_t hash = 14695981039346656037ULL ^ seed;
    for (size_t i = 0; i < value.length; i++)
        hash = (hash ^ (unsigned char)value.at[i]) * 1099511628211ULL;
    return hash ^ (hash >> 32);
}

#endif
