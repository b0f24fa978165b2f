/* The filter `remixer_check_cache`: remembers ext_authz's verdicts in front of it.
 *
 * A request whose verdict is remembered is marked in dynamic metadata, so that ext_authz lets it
 * pass unasked, or is answered as it was before. Any other is copied, for its headers may be
 * rewritten before its answer comes; with the answer's metadata, the copy becomes a key.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check_cache.h"
#include "clock.h"
#include "complaints.h"
#include "filter.h"
#include "settings_reader.h"

enum { DEFAULT_ENTRIES = 10000, MOST_COPY_BYTES = 16384, MOST_CHUNKS = 16, US_PER_S = 1000000 };

typedef struct cache_config {
    envoy_config envoy;
    check_shape always; /* headers that are part of every key */
    names attributes;
    double longest_s;
    size_t hits, misses, stored, unkept; /* counters */
    uint32_t worker_count;
    check_cache *workers;
} cache_config;

typedef struct cache_stream {
    filter_stream base;
    cache_config *of;
    check_request request; /* its texts are in `copy`, once that is there */
    char *copy;
    int64_t asked_us;
    check_shape shape;     /* of a denial whose body is still to come */
    check_verdict denial;
    bool is_denial_open;
} cache_stream;

static const text SPACE = {"remixer.check_cache", 19};
static const text AUTHZ = {"envoy.filters.http.ext_authz", 28};

/* ---------------------------------------------------------------- settings */

static void read_attributes(settings_reader *in, const json *top, cache_config *to) {
    const json *headers = settings_get(in, top, "", "key_headers", JSON_ARRAY);
    for (const json *each = headers == NULL ? NULL : headers->first; each; each = each->next)
        if (each->kind != JSON_STRING || !shape_add(&to->always, text_of(each->string)))
            settings_fault(in, "key_headers", "must be at most 24 names of headers");
    const json *more = settings_get(in, top, "", "attributes", JSON_OBJECT);
    for (const json *each = more == NULL ? NULL : more->first; each; each = each->next)
        if (each->kind != JSON_STRING ||
            !names_put(&to->attributes, text_of(each->name), text_of(each->string)))
            settings_fault(in, "attributes", "each must be a header's name, or \"\" if constant");
}

static bool read_settings(text source, cache_config *to, size_t *most_entries) {
    static const char *const known[] = {"key_headers", "attributes", "max_entries", "longest_s",
                                        NULL};
    settings_reader in = {"remixer_check_cache", 0};
    const char *problem = NULL;
    json *top = json_read(source.length == 0 ? TEXT("{}") : source, &problem);
    if (top == NULL || top->kind != JSON_OBJECT)
        settings_fault(&in, "(whole)", problem == NULL ? "must be a JSON object" : problem);
    settings_only(&in, top, "", known);
    read_attributes(&in, top, to);
    *most_entries = (size_t)settings_number(&in, top, "max_entries", DEFAULT_ENTRIES, 4, 1e7);
    to->longest_s = settings_number(&in, top, "longest_s", 300, 0.001, 86400);
    json_free(top);
    return in.faults == 0;
}

static void config_free(void *shared) {
    cache_config *of = shared;
    for (uint32_t i = 0; of->workers != NULL && i < of->worker_count; i++)
        check_cache_close(&of->workers[i]);
    free(of->workers);
    names_free(&of->attributes);
    free(of);
}

static void define(cache_config *of, const char *name, size_t *id) {
    (void)envoy_dynamic_module_callback_http_filter_config_define_counter(
        of->envoy, text_of(name), NULL, 0, id);
}

static void *config_new(envoy_config envoy, text settings) {
    size_t most_entries;
    cache_config *made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    made->envoy = envoy;
    bool is_good = read_settings(settings, made, &most_entries);
    /* Streams of the admin interface have no worker of their own: one more. */
    made->worker_count = envoy_dynamic_module_callback_get_concurrency() + 1;
    made->workers = calloc(made->worker_count, sizeof *made->workers);
    for (uint32_t i = 0; is_good && made->workers != NULL && i < made->worker_count; i++)
        is_good = check_cache_open(&made->workers[i], most_entries);
    if (!is_good || made->workers == NULL) {
        config_free(made);
        return NULL;
    }
    define(made, "remixer_check_cache.hits", &made->hits);
    define(made, "remixer_check_cache.misses", &made->misses);
    define(made, "remixer_check_cache.stored", &made->stored);
    define(made, "remixer_check_cache.unkept", &made->unkept);
    return made;
}

static void add_one(const cache_config *of, size_t counter) {
    (void)envoy_dynamic_module_callback_http_filter_config_increment_counter(of->envoy, counter,
                                                                             NULL, 0, 1);
}

/* ---------------------------------------------------------------- a request */

static filter_stream *stream_new(void *shared, envoy_stream envoy) {
    (void)envoy;
    cache_stream *self = malloc(sizeof *self);
    if (self == NULL)
        return NULL;
    self->base.kind = &CHECK_CACHE_FILTER;
    self->of = shared;
    self->copy = NULL;
    self->is_denial_open = false;
    return &self->base;
}

static void stream_free(filter_stream *base) {
    cache_stream *self = (cache_stream *)base;
    if (self->is_denial_open)
        free(self->denial.body);
    free(self->copy);
    free(self);
}

static check_cache *worker_of(const cache_stream *self, envoy_stream envoy) {
    uint32_t index = envoy_dynamic_module_callback_http_filter_get_worker_index(envoy);
    return index < self->of->worker_count ? &self->of->workers[index] : NULL;
}

static bool look_at(cache_stream *self, envoy_stream envoy) {
    check_request *request = &self->request;
    request->count = envoy_dynamic_module_callback_http_get_headers_size(envoy, REQUEST_HEADERS);
    if (request->count > MOST_REQUEST_HEADERS ||
        !envoy_dynamic_module_callback_http_get_headers(envoy, REQUEST_HEADERS, request->headers))
        return false;
    text *address = &request->source_address;
    if (!envoy_dynamic_module_callback_http_filter_get_attribute_string(
            envoy, ATTRIBUTE_SOURCE_ADDRESS, address))
        *address = (text){"", 0};
    const char *colon = address->length == 0 ? NULL : memrchr(address->at, ':', address->length);
    if (colon != NULL)
        address->length = (size_t)(colon - address->at);
    return true;
}

static char *move(char *to, text *value) {
    memcpy(to, value->at, value->length);
    value->at = to;
    return to + value->length;
}

/* Makes the request ours: Envoy's texts end with this hook. */
static void copy_request(cache_stream *self) {
    check_request *request = &self->request;
    size_t bytes = request->source_address.length + 1;
    for (size_t i = 0; i < request->count; i++)
        bytes += request->headers[i].name.length + request->headers[i].value.length;
    if (bytes > MOST_COPY_BYTES || (self->copy = malloc(bytes)) == NULL)
        return;
    char *to = move(self->copy, &request->source_address);
    for (size_t i = 0; i < request->count; i++) {
        to = move(to, &request->headers[i].name);
        to = move(to, &request->headers[i].value);
    }
}

static int answer(cache_stream *self, envoy_stream envoy, const check_verdict *verdict) {
    add_one(self->of, self->of->hits);
    envoy_dynamic_module_callback_http_set_dynamic_metadata_bool(envoy, AUTHZ, TEXT("cache_hit"),
                                                                 true);
    envoy_dynamic_module_callback_http_set_dynamic_metadata_string(
        envoy, AUTHZ, TEXT("decision"), verdict->is_allowed ? TEXT("allow") : TEXT("deny"));
    envoy_dynamic_module_callback_http_set_dynamic_metadata_string(envoy, SPACE,
                                                                   TEXT("need_check"), TEXT("no"));
    if (verdict->is_allowed)
        return HEADERS_CONTINUE;
    envoy_header type = {TEXT("content-type"), text_of(verdict->content_type)};
    envoy_dynamic_module_callback_http_send_response(
        envoy, verdict->status, &type, verdict->content_type[0] == '\0' ? 0 : 1,
        (text){verdict->body == NULL ? "" : verdict->body, verdict->body_length},
        TEXT("remixer_check_cache_denied"));
    return HEADERS_STOP;
}

static int request_headers(filter_stream *base, envoy_stream envoy, bool is_last) {
    (void)is_last;
    cache_stream *self = (cache_stream *)base;
    check_cache *cache = worker_of(self, envoy);
    if (cache == NULL || !look_at(self, envoy))
        return HEADERS_CONTINUE;
    self->asked_us = clock_us();
    const check_verdict *found = check_cache_find(cache, &self->request, self->asked_us);
    if (found != NULL)
        return answer(self, envoy, found);
    add_one(self->of, self->of->misses);
    copy_request(self);
    return HEADERS_CONTINUE;
}

/* ---------------------------------------------------------------- its answer */

/* False if the verdict depends on what is not known here. */
static bool read_shape(const cache_stream *self, envoy_stream envoy, check_shape *shape) {
    size_t count = 0;
    text name;
    *shape = self->of->always;
    if (!envoy_dynamic_module_callback_http_get_metadata_list_size(
            envoy, METADATA_DYNAMIC, AUTHZ, TEXT("referenced"), &count))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!envoy_dynamic_module_callback_http_get_metadata_list_string(
                envoy, METADATA_DYNAMIC, AUTHZ, TEXT("referenced"), i, &name) ||
            !shape_add_attribute(shape, name, &self->of->attributes))
            return false;
    return true;
}

static bool read_validity(const cache_stream *self, envoy_stream envoy, check_verdict *verdict) {
    double seconds = 0, uses = 0;
    text decision;
    if (!envoy_dynamic_module_callback_http_get_metadata_number(
            envoy, METADATA_DYNAMIC, AUTHZ, TEXT("valid_duration_s"), &seconds) ||
        !envoy_dynamic_module_callback_http_get_metadata_number(
            envoy, METADATA_DYNAMIC, AUTHZ, TEXT("valid_use_count"), &uses) ||
        !envoy_dynamic_module_callback_http_get_metadata_string(
            envoy, METADATA_DYNAMIC, AUTHZ, TEXT("decision"), &decision))
        return false;
    if (!(seconds > 0) || uses == 0 || !isfinite(uses))
        return false;
    /* Counted from the question on: the answer may be as old as it. */
    verdict->until_us =
        self->asked_us + (int64_t)(US_PER_S * fmin(seconds, self->of->longest_s));
    verdict->uses_left = uses < 0 ? -1 : (int64_t)fmin(uses, 1e15);
    verdict->is_allowed = text_equal(decision, TEXT("allow"));
    return true;
}

static void store(cache_stream *self, envoy_stream envoy, const check_shape *shape,
                  check_verdict verdict) {
    check_cache *cache = worker_of(self, envoy);
    if (cache == NULL) {
        free(verdict.body);
        return;
    }
    bool is_kept = check_cache_put(cache, shape, &self->request, verdict, clock_us());
    add_one(self->of, is_kept ? self->of->stored : self->of->unkept);
}

static void read_denial(envoy_stream envoy, check_verdict *verdict) {
    text status = {NULL, 0}, type = {NULL, 0};
    (void)envoy_dynamic_module_callback_http_get_header(envoy, RESPONSE_HEADERS, TEXT(":status"),
                                                        &status, 0, NULL);
    (void)envoy_dynamic_module_callback_http_get_header(
        envoy, RESPONSE_HEADERS, TEXT("content-type"), &type, 0, NULL);
    for (size_t i = 0; i < status.length; i++)
        verdict->status = verdict->status * 10 + (uint32_t)(status.at[i] - '0');
    if (type.length <= LONGEST_CONTENT_TYPE)
        (void)snprintf(verdict->content_type, sizeof verdict->content_type, "%.*s",
                       (int)type.length, type.at);
}

static int response_headers(filter_stream *base, envoy_stream envoy, bool is_last) {
    cache_stream *self = (cache_stream *)base;
    check_verdict verdict = {0};
    if (self->copy == NULL || !read_validity(self, envoy, &verdict) ||
        !read_shape(self, envoy, &self->shape))
        return HEADERS_CONTINUE;
    if (verdict.is_allowed) {
        store(self, envoy, &self->shape, verdict);
        return HEADERS_CONTINUE;
    }
    read_denial(envoy, &verdict);
    if (is_last) {
        store(self, envoy, &self->shape, verdict);
        return HEADERS_CONTINUE;
    }
    self->denial = verdict;
    self->denial.body = malloc(MOST_DENIAL_BYTES);
    self->is_denial_open = self->denial.body != NULL;
    return HEADERS_CONTINUE;
}

static int response_body(filter_stream *base, envoy_stream envoy, bool is_last) {
    cache_stream *self = (cache_stream *)base;
    text chunks[MOST_CHUNKS];
    if (!self->is_denial_open)
        return 0;
    size_t count =
        envoy_dynamic_module_callback_http_get_body_chunks_size(envoy, RESPONSE_BODY_NEW);
    bool fits = count <= MOST_CHUNKS && (count == 0 || envoy_dynamic_module_callback_http_get_body_chunks(
                                                           envoy, RESPONSE_BODY_NEW, chunks));
    for (size_t i = 0; fits && i < count; i++) {
        fits = chunks[i].length <= MOST_DENIAL_BYTES - self->denial.body_length;
        if (fits)
            memcpy(self->denial.body + self->denial.body_length, chunks[i].at, chunks[i].length);
        self->denial.body_length += fits ? chunks[i].length : 0;
    }
    if (fits && !is_last)
        return 0;
    self->is_denial_open = false;
    if (fits)
        store(self, envoy, &self->shape, self->denial);
    else
        free(self->denial.body);
    return 0;
}

const filter_kind CHECK_CACHE_FILTER = {
    .name = "remixer_check_cache",
    .config_new = config_new,
    .config_free = config_free,
    .stream_new = stream_new,
    .stream_free = stream_free,
    .request_headers = request_headers,
    .response_headers = response_headers,
    .response_body = response_body,
};
