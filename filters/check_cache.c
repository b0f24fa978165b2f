#include "check_cache.h"

#include <stdlib.h>

#include "clock.h"

enum { WAYS = 4 };

bool check_cache_open(check_cache *cache, size_t most_entries) {
    *cache = (check_cache){.set_count = 1};
    while (cache->set_count * WAYS * 2 <= most_entries)
        cache->set_count *= 2;
    random_bytes(&cache->seed, sizeof cache->seed);
    cache->entries = calloc(cache->set_count * WAYS, sizeof *cache->entries);
    return cache->entries != NULL;
}

static void forget(check_entry *entry) {
    free(entry->key);
    free(entry->verdict.body);
    *entry = (check_entry){0};
}

void check_cache_close(check_cache *cache) {
    for (size_t i = 0; cache->entries != NULL && i < cache->set_count * WAYS; i++)
        forget(&cache->entries[i]);
    free(cache->entries);
}

static check_entry *set_of(check_cache *cache, text key) {
    uint64_t hash = text_hash(key, cache->seed);
    return &cache->entries[(hash & (cache->set_count - 1)) * WAYS];
}

static check_entry *find(check_cache *cache, text key) {
    check_entry *set = set_of(cache, key);
    for (int i = 0; i < WAYS; i++)
        if (set[i].key != NULL &&
            text_equal((text){(const char *)set[i].key, set[i].key_length}, key))
            return &set[i];
    return NULL;
}

static const check_verdict *use(check_entry *entry, int64_t now_us) {
    if (entry->verdict.until_us <= now_us || entry->verdict.uses_left == 0) {
        forget(entry);
        return NULL;
    }
    if (entry->verdict.uses_left > 0)
        entry->verdict.uses_left--;
    return &entry->verdict;
}

const check_verdict *check_cache_find(check_cache *cache, const check_request *request,
                                      int64_t now_us) {
    unsigned char key[MOST_KEY_BYTES];
    for (size_t i = 0; i < cache->shape_count; i++) {
        size_t length = check_key(&cache->shapes[i], (unsigned char)i, request, key);
        check_entry *found =
            length == 0 ? NULL : find(cache, (text){(const char *)key, length});
        const check_verdict *verdict = found == NULL ? NULL : use(found, now_us);
        if (verdict != NULL)
            return verdict;
    }
    return NULL;
}

/* The number of a shape, known from now on; -1 if there are too many. */
static int shape_number(check_cache *cache, const check_shape *shape) {
    for (size_t i = 0; i < cache->shape_count; i++)
        if (shape_equal(&cache->shapes[i], shape))
            return (int)i;
    if (cache->shape_count == MOST_SHAPES)
        return -1;
    cache->shapes[cache->shape_count] = *shape;
    return (int)cache->shape_count++;
}

static check_entry *place_for(check_cache *cache, text key) {
    check_entry *found = find(cache, key), *set = set_of(cache, key);
    if (found != NULL)
        return found;
    check_entry *first = &set[0];
    for (int i = 0; i < WAYS; i++) {
        if (set[i].key == NULL)
            return &set[i];
        if (set[i].verdict.until_us < first->verdict.until_us)
            first = &set[i];
    }
    return first;
}

void check_cache_put(check_cache *cache, const check_shape *shape, const check_request *request,
                     check_verdict verdict) {
    unsigned char key[MOST_KEY_BYTES];
    int number = shape_number(cache, shape);
    size_t length = number < 0 ? 0 : check_key(shape, (unsigned char)number, request, key);
    unsigned char *kept = length == 0 ? NULL : malloc(length);
    if (kept == NULL) {
        free(verdict.body);
        return;
    }
    memcpy(kept, key, length);
    check_entry *place = place_for(cache, (text){(const char *)key, length});
    forget(place);
    *place = (check_entry){kept, length, verdict};
}
