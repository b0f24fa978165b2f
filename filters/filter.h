/* What a filter of this module is: the hooks of `module.c` are handed on to one of them. */
#ifndef REMIXER_FILTER_H
#define REMIXER_FILTER_H

#include "envoy_abi.h"

/* One per configured filter. */
typedef struct filter_config {
    const struct filter_kind *kind;
    void *shared;
} filter_config;

/* One per stream; the first member of what a kind keeps for it. */
typedef struct filter_stream {
    const struct filter_kind *kind;
} filter_stream;

typedef struct filter_kind {
    const char *name;
    /* NULL if the settings are wrong. */
    void *(*config_new)(envoy_config envoy, text settings);
    void (*config_free)(void *shared);
    filter_stream *(*stream_new)(void *shared, envoy_stream envoy);
    void (*stream_free)(filter_stream *self);
    int (*request_headers)(filter_stream *self, envoy_stream envoy, bool is_last);
    int (*response_headers)(filter_stream *self, envoy_stream envoy, bool is_last);
    int (*response_body)(filter_stream *self, envoy_stream envoy, bool is_last);
    void (*scheduled)(filter_stream *self, envoy_stream envoy);
    void (*local_reply)(filter_stream *self, envoy_stream envoy, uint32_t status, text details);
} filter_kind;

extern const filter_kind KNATIVE_FILTER;
extern const filter_kind CHECK_CACHE_FILTER;

#endif
