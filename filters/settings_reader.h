/* Reading settings out of JSON: every fault is told with its path, not only the first. */
#ifndef REMIXER_SETTINGS_READER_H
#define REMIXER_SETTINGS_READER_H

#include "json.h"

typedef struct settings_reader {
    const char *filter; /* for the log */
    int faults;
} settings_reader;

/* "path: what is wrong" into the log; counted. */
void settings_fault(settings_reader *in, const char *path, const char *what);
/* Complains of members of `object` that are not in `known` (ends with NULL). */
void settings_only(settings_reader *in, const json *object, const char *path,
                   const char *const *known);
/* NULL if absent; complains of a wrong kind. */
const json *settings_get(settings_reader *in, const json *object, const char *path,
                         const char *name, json_kind kind);
/* The default if absent; complains of what is outside `least`..`most`. */
double settings_number(settings_reader *in, const json *object, const char *name, double otherwise,
                       double least, double most);
/* The default if absent. The text belongs to the tree. */
const char *settings_text(settings_reader *in, const json *object, const char *name,
                          const char *otherwise);

#endif
