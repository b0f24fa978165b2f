/* What a remembered verdict depends on, as bytes. Pure.
 *
 * The server names the attributes that it looked at. Those that are made of request headers are
 * headers here; a set of them is a shape, and the values of a shape's headers are the key. A
 * header that is absent differs from one that is empty, and repeated ones all count.
 */
#ifndef REMIXER_CHECK_KEY_H
#define REMIXER_CHECK_KEY_H

#include "envoy_abi.h"
#include "names.h"

enum {
    MOST_SHAPE_NAMES = 24,
    LONGEST_SHAPE_NAME = 63,
    MOST_KEY_BYTES = 4096,
    MOST_REQUEST_HEADERS = 96
};
/* In place of a header: the client's address, without its port. */
#define SOURCE_ADDRESS "@source.ip"

typedef struct check_shape {
    char names[MOST_SHAPE_NAMES][LONGEST_SHAPE_NAME + 1];
    size_t count;
} check_shape;

typedef struct check_request {
    envoy_header headers[MOST_REQUEST_HEADERS];
    size_t count;
    text source_address;
} check_request;

/* Adds a name, if it is not there; false if it does not fit. */
bool shape_add(check_shape *shape, text name);
bool shape_equal(const check_shape *left, const check_shape *right);
/* Adds what `attribute` is made of; false if it is not made of headers. `more` are attributes
 * that the operator explained: to a header's name, or to nothing where they are constant. */
bool shape_add_attribute(check_shape *shape, text attribute, const names *more);
/* The key's length; 0 if it is too long. `salt` tells shapes apart. */
size_t check_key(const check_shape *shape, unsigned char salt, const check_request *request,
                 unsigned char key[MOST_KEY_BYTES]);

#endif
