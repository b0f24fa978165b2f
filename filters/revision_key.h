/* The autoscaler's key of a revision: `namespace/name`. */
#ifndef REMIXER_REVISION_KEY_H
#define REMIXER_REVISION_KEY_H

#include "stat_message.h"

typedef struct revision_key {
    char text[LONGEST_KEY + 1];
    size_t namespace_length;
    size_t length;
} revision_key;

/* False unless both are names as Kubernetes has them (lower case, digits, `-`, `.` in `name`):
 * whatever else a client puts into a header never reaches the autoscaler. */
bool revision_key_make(text namespace_, text name, revision_key *to);
/* As above from `namespace/name`. */
bool revision_key_read(text whole, revision_key *to);

static inline text revision_key_text(const revision_key *key) {
    return (text){key->text, key->length};
}
static inline text revision_namespace(const revision_key *key) {
    return (text){key->text, key->namespace_length};
}
static inline text revision_name(const revision_key *key) {
    size_t before = key->namespace_length + 1;
    return (text){key->text + before, key->length - before};
}

#endif
