/* Verdicts that are remembered, of one worker: no lock. Pure.
 *
 * A place belongs to one of few sets by its key; the one that ends first makes room. So the
 * memory is bounded, and a flood of new keys costs old ones their place and nothing else.
 *
 * A key begins with the number of its shape. There are few numbers, for each costs every question a
 * key; when rules have changed, the number of a shape that nobody uses any more is given out again.
 */
#ifndef REMIXER_CHECK_CACHE_H
#define REMIXER_CHECK_CACHE_H

#include "check_key.h"

enum { MOST_SHAPES = 16, LONGEST_CONTENT_TYPE = 63, MOST_DENIAL_BYTES = 4096 };

typedef struct check_verdict {
    bool is_allowed;
    uint32_t status; /* of a denial, with what follows */
    char content_type[LONGEST_CONTENT_TYPE + 1];
    char *body; /* owned by the cache, once it is put there */
    size_t body_length;
    int64_t until_us;
    int64_t uses_left; /* negative: any number */
} check_verdict;

typedef struct check_entry {
    unsigned char *key; /* the number of its shape first; NULL: free */
    size_t key_length;
    check_verdict verdict;
} check_entry;

typedef struct check_cache {
    check_shape shapes[MOST_SHAPES];
    int64_t shape_used_us[MOST_SHAPES]; /* last hit, or last answer kept */
    size_t shape_count;
    check_entry *entries;
    size_t set_count; /* a power of two */
    uint64_t seed;
} check_cache;

bool check_cache_open(check_cache *cache, size_t most_entries);
void check_cache_close(check_cache *cache);
/* Uses up one use. Valid until the cache is asked again; NULL if nothing fits. */
const check_verdict *check_cache_find(check_cache *cache, const check_request *request,
                                      int64_t now_us);
/* Takes over `verdict.body`, whether it finds a place or not. False: there is none for it. */
bool check_cache_put(check_cache *cache, const check_shape *shape, const check_request *request,
                     check_verdict verdict, int64_t now_us);

#endif
