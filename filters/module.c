/* The hooks that Envoy calls, handed on to the filter that is meant. All of them must exist. */
#include <stdlib.h>

#include "complaints.h"
#include "filter.h"

static const filter_kind *const KINDS[] = {&KNATIVE_FILTER, &CHECK_CACHE_FILTER};

/* Envoy declares its hooks in a header of its own, which is not used here. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

HOOK const char *envoy_dynamic_module_on_program_init(void) {
    /* What Envoy says of another version names neither the module nor what it was made for. */
    tell(LOG_INFO, "remixer_envoy: made for " MADE_FOR ", whose interface is " ABI_VERSION);
    return ABI_VERSION;
}

HOOK const void *envoy_dynamic_module_on_http_filter_config_new(envoy_config envoy, text name,
                                                                text settings) {
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        if (!text_equal(name, text_of(KINDS[i]->name)))
            continue;
        filter_config *made = malloc(sizeof *made);
        void *shared = made == NULL ? NULL : KINDS[i]->config_new(envoy, settings);
        if (shared != NULL) {
            *made = (filter_config){KINDS[i], shared};
            return made;
        }
        free(made);
        return NULL;
    }
    tell(LOG_ERROR, "filter_name `%.*s` is none of this module's; there are remixer_knative and "
                    "remixer_check_cache", (int)name.length, name.at);
    return NULL;
}

HOOK void envoy_dynamic_module_on_http_filter_config_destroy(const void *config) {
    filter_config *gone = (filter_config *)(uintptr_t)config;
    gone->kind->config_free(gone->shared);
    free(gone);
}

HOOK const void *envoy_dynamic_module_on_http_filter_per_route_config_new(text name,
                                                                          text settings) {
    (void)settings;
    tell(LOG_ERROR, "filter `%.*s` has no settings per route", (int)name.length, name.at);
    return NULL;
}

HOOK void envoy_dynamic_module_on_http_filter_per_route_config_destroy(const void *config) {
    (void)config;
}

HOOK const void *envoy_dynamic_module_on_http_filter_new(const void *config, envoy_stream envoy) {
    const filter_config *of = config;
    return of->kind->stream_new(of->shared, envoy);
}

static filter_stream *stream_of(const void *self) { return (filter_stream *)(uintptr_t)self; }

HOOK void envoy_dynamic_module_on_http_filter_destroy(const void *self) {
    stream_of(self)->kind->stream_free(stream_of(self));
}

HOOK int envoy_dynamic_module_on_http_filter_request_headers(envoy_stream envoy, const void *self,
                                                             bool is_last) {
    return stream_of(self)->kind->request_headers(stream_of(self), envoy, is_last);
}

HOOK int envoy_dynamic_module_on_http_filter_response_headers(envoy_stream envoy,
                                                              const void *self, bool is_last) {
    return stream_of(self)->kind->response_headers(stream_of(self), envoy, is_last);
}

HOOK int envoy_dynamic_module_on_http_filter_response_body(envoy_stream envoy, const void *self,
                                                           bool is_last) {
    const filter_kind *kind = stream_of(self)->kind;
    return kind->response_body == NULL ? 0
                                       : kind->response_body(stream_of(self), envoy, is_last);
}

HOOK void envoy_dynamic_module_on_http_filter_scheduled(envoy_stream envoy, const void *self,
                                                        uint64_t event) {
    (void)event;
    if (stream_of(self)->kind->scheduled != NULL)
        stream_of(self)->kind->scheduled(stream_of(self), envoy);
}

HOOK int envoy_dynamic_module_on_http_filter_local_reply(envoy_stream envoy, const void *self,
                                                         uint32_t status, text details,
                                                         bool is_reset) {
    (void)is_reset;
    if (stream_of(self)->kind->local_reply != NULL)
        stream_of(self)->kind->local_reply(stream_of(self), envoy, status, details);
    return 0; /* the reply goes on */
}

/* ---------------------------------------------------------------- nothing to do */

HOOK int envoy_dynamic_module_on_http_filter_request_body(envoy_stream envoy, const void *self,
                                                          bool is_last) {
    (void)envoy, (void)self, (void)is_last;
    return 0;
}

HOOK int envoy_dynamic_module_on_http_filter_request_trailers(envoy_stream envoy,
                                                              const void *self) {
    (void)envoy, (void)self;
    return 0;
}

HOOK int envoy_dynamic_module_on_http_filter_response_trailers(envoy_stream envoy,
                                                               const void *self) {
    (void)envoy, (void)self;
    return 0;
}

HOOK void envoy_dynamic_module_on_http_filter_stream_complete(envoy_stream envoy,
                                                              const void *self) {
    (void)envoy, (void)self;
}

/* Watermarks of the client, and calls and streams that are never begun here. */
#define UNUSED_HOOK(name, ...) \
    HOOK void envoy_dynamic_module_on_http_filter_##name(__VA_ARGS__) {}
#pragma GCC diagnostic ignored "-Wunused-parameter"

UNUSED_HOOK(downstream_above_write_buffer_high_watermark, envoy_stream envoy, const void *self)
UNUSED_HOOK(downstream_below_write_buffer_low_watermark, envoy_stream envoy, const void *self)
UNUSED_HOOK(http_callout_done, envoy_stream envoy, const void *self, uint64_t id, int result,
            envoy_header *headers, size_t header_count, text *body, size_t chunk_count)
UNUSED_HOOK(http_stream_headers, envoy_stream envoy, const void *self, uint64_t id,
            envoy_header *headers, size_t header_count, bool is_last)
UNUSED_HOOK(http_stream_data, envoy_stream envoy, const void *self, uint64_t id,
            const text *data, size_t chunk_count, bool is_last)
UNUSED_HOOK(http_stream_trailers, envoy_stream envoy, const void *self, uint64_t id,
            envoy_header *trailers, size_t trailer_count)
UNUSED_HOOK(http_stream_complete, envoy_stream envoy, const void *self, uint64_t id)
UNUSED_HOOK(http_stream_reset, envoy_stream envoy, const void *self, uint64_t id, int reason)
UNUSED_HOOK(config_scheduled, envoy_config envoy, const void *config, uint64_t event)
UNUSED_HOOK(config_http_callout_done, envoy_config envoy, const void *config, uint64_t id,
            int result, envoy_header *headers, size_t header_count, text *body,
            size_t chunk_count)
UNUSED_HOOK(config_http_stream_headers, envoy_config envoy, const void *config, uint64_t id,
            envoy_header *headers, size_t header_count, bool is_last)
UNUSED_HOOK(config_http_stream_data, envoy_config envoy, const void *config, uint64_t id,
            const text *data, size_t chunk_count, bool is_last)
UNUSED_HOOK(config_http_stream_trailers, envoy_config envoy, const void *config, uint64_t id,
            envoy_header *trailers, size_t trailer_count)
UNUSED_HOOK(config_http_stream_complete, envoy_config envoy, const void *config, uint64_t id)
UNUSED_HOOK(config_http_stream_reset, envoy_config envoy, const void *config, uint64_t id,
            int reason)
