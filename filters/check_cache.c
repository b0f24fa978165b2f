#include "check_cache.h"

#include <stdlib.h>

#include "clock.h"

enum { WAYS = 4, SHAPE_REST_US = 60000000 }; /* longer than any that is in use rests */

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
        if (verdict != NULL) {
            cache->shape_used_us[i] = now_us;
            return verdict;
        }
    }
    return NULL;
}

/* The number of the shape that rests the longest, with nothing left of it; -1 if none rests. */
static int number_at_rest(check_cache *cache, int64_t now_us) {
    int number = 0;
    for (int i = 1; i < MOST_SHAPES; i++)
        if (cache->shape_used_us[i] < cache->shape_used_us[number])
            number = i;
    if (cache->shape_used_us[number] > now_us - SHAPE_REST_US)
        return -1;
    for (size_t i = 0; i < cache->set_count * WAYS; i++)
        if (cache->entries[i].key != NULL && cache->entries[i].key[0] == number)
            forget(&cache->entries[i]);
    return number;
}

/* The number of a shape, known from now on; -1 if there are too many. */
static int shape_number(check_cache *cache, const check_shape *shape, int64_t now_us) {
    int number = 0;
    while (number < (int)cache->shape_count && !shape_equal(&cache->shapes[number], shape))
        number++;
    if (number == MOST_SHAPES)
        number = number_at_rest(cache, now_us);
    if (number < 0)
        return -1;
    if (number == (int)cache->shape_count)
        cache->shape_count++;
    cache->shapes[number] = *shape;
    cache->shape_used_us[number] = now_us;
    return number;
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

/* Of a body that was read into more room than it took. */
static void fit_body(check_verdict *verdict) {
    if (verdict->body_length == 0) {
        free(verdict->body);
        verdict->body = NULL;
    } else {
        char *fitting = realloc(verdict->body, verdict->body_length);
        verdict->body = fitting == NULL ? verdict->body : fitting;
    }
}

bool check_cache_put(check_cache *cache, const check_shape *shape, const check_request *request,
                     check_verdict verdict, int64_t now_us) {
    unsigned char key[MOST_KEY_BYTES];
    int number = shape_number(cache, shape, now_us);
    size_t length = number < 0 ? 0 : check_key(shape, (unsigned char)number, request, key);
    unsigned char *kept = length == 0 ? NULL : malloc(length);
    if (kept == NULL) {
        free(verdict.body);
        return false;
    }
    memcpy(kept, key, length);
    fit_body(&verdict);
    check_entry *place = place_for(cache, (text){(const char *)key, length});
    forget(place);
    *place = (check_entry){kept, length, verdict};
    return true;
}
