/* JSON text to a tree. Strict, bounded in depth and size; no more than the settings need. */
#ifndef REMIXER_JSON_H
#define REMIXER_JSON_H

#include "text.h"

typedef enum json_kind {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
} json_kind;

typedef struct json {
    json_kind kind;
    bool truth;
    double number;
    char *string;
    char *name; /* of a member of an object, else NULL */
    struct json *first; /* of an array's elements or an object's members */
    struct json *next;
} json;

/* NULL with `*problem` set if it is no JSON. Strings hold no NUL, names occur once. */
json *json_read(text source, const char **problem);
void json_free(json *tree);
/* NULL if `object` has none of this name. */
const json *json_member(const json *object, const char *name);

#endif
