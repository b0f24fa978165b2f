/* What this module uses of Envoy's interface for dynamic modules, version v0.2.0 (Envoy 1.40).
 *
 * Envoy calls functions whose names start with `envoy_dynamic_module_on_`: all of them must
 * exist, or the module is not loaded. It offers those that start with
 * `envoy_dynamic_module_callback_`. A hook runs on the worker thread of its stream, those of a
 * configuration on the main thread; of the callbacks only `log`, the scheduler's `commit` and
 * the configuration's metrics may be called from threads of our own.
 *
 * A text that Envoy hands out is valid until the hook returns or something is set.
 */
#ifndef REMIXER_ENVOY_ABI_H
#define REMIXER_ENVOY_ABI_H

#include "text.h"

/* Envoy compares it with its own and, where they differ, only warns. A test sets another. */
#ifndef ABI_VERSION
#define ABI_VERSION "v0.2.0"
#endif
#define MADE_FOR "Envoy 1.40"
#define HOOK __attribute__((visibility("default")))

typedef void *envoy_stream;   /* Envoy's side of a filter of one stream */
typedef void *envoy_config;   /* Envoy's side of a filter's configuration */
typedef void *envoy_schedule; /* lets another thread have a hook called on the worker's */

typedef struct envoy_header {
    text name;
    text value;
} envoy_header;

enum header_map { REQUEST_HEADERS = 0, REQUEST_TRAILERS, RESPONSE_HEADERS, RESPONSE_TRAILERS };
enum body_kind { REQUEST_BODY_NEW = 0, REQUEST_BODY_KEPT, RESPONSE_BODY_NEW, RESPONSE_BODY_KEPT };
enum log_level { LOG_TRACE = 0, LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum metadata_source { METADATA_DYNAMIC = 0 };
enum headers_status {
    HEADERS_CONTINUE = 0,
    HEADERS_STOP = 1,
    HEADERS_STOP_ALL_AND_BUFFER = 3,
    HEADERS_STOP_ALL_AND_WATERMARK = 4, /* the body waits in its sender once buffers are full */
};
/* The numbers are places in Envoy's list of attributes. */
enum attribute { ATTRIBUTE_SOURCE_ADDRESS = 24, ATTRIBUTE_CLUSTER_NAME = 57 };

/* ---------------------------------------------------------------- what Envoy offers */
void envoy_dynamic_module_callback_log(int level, text message);
bool envoy_dynamic_module_callback_log_enabled(int level);
uint32_t envoy_dynamic_module_callback_get_concurrency(void);
bool envoy_dynamic_module_callback_is_validation_mode(void);

int envoy_dynamic_module_callback_http_filter_config_define_counter(
    envoy_config config, text name, const text *labels, size_t label_count, size_t *id);
int envoy_dynamic_module_callback_http_filter_config_define_gauge(
    envoy_config config, text name, const text *labels, size_t label_count, size_t *id);
int envoy_dynamic_module_callback_http_filter_config_increment_counter(
    envoy_config config, size_t id, const text *labels, size_t label_count, uint64_t by);
int envoy_dynamic_module_callback_http_filter_config_set_gauge(
    envoy_config config, size_t id, const text *labels, size_t label_count, uint64_t value);

bool envoy_dynamic_module_callback_http_get_header(
    envoy_stream stream, int map, text name, text *value, size_t index, size_t *count);
size_t envoy_dynamic_module_callback_http_get_headers_size(envoy_stream stream, int map);
bool envoy_dynamic_module_callback_http_get_headers(
    envoy_stream stream, int map, envoy_header *headers);
void envoy_dynamic_module_callback_http_send_response(
    envoy_stream stream, uint32_t status, const envoy_header *headers, size_t header_count,
    text body, text details);
bool envoy_dynamic_module_callback_http_filter_get_attribute_string(
    envoy_stream stream, int attribute, text *value);
uint32_t envoy_dynamic_module_callback_http_filter_get_worker_index(envoy_stream stream);
void envoy_dynamic_module_callback_http_filter_continue_decoding(envoy_stream stream);

size_t envoy_dynamic_module_callback_http_get_body_chunks_size(envoy_stream stream, int kind);
bool envoy_dynamic_module_callback_http_get_body_chunks(
    envoy_stream stream, int kind, text *chunks);

bool envoy_dynamic_module_callback_http_get_metadata_number(
    envoy_stream stream, int source, text space, text key, double *value);
bool envoy_dynamic_module_callback_http_get_metadata_string(
    envoy_stream stream, int source, text space, text key, text *value);
bool envoy_dynamic_module_callback_http_get_metadata_bool(
    envoy_stream stream, int source, text space, text key, bool *value);
bool envoy_dynamic_module_callback_http_get_metadata_list_size(
    envoy_stream stream, int source, text space, text key, size_t *size);
bool envoy_dynamic_module_callback_http_get_metadata_list_string(
    envoy_stream stream, int source, text space, text key, size_t index, text *value);
void envoy_dynamic_module_callback_http_set_dynamic_metadata_number(
    envoy_stream stream, text space, text key, double value);
void envoy_dynamic_module_callback_http_set_dynamic_metadata_string(
    envoy_stream stream, text space, text key, text value);
void envoy_dynamic_module_callback_http_set_dynamic_metadata_bool(
    envoy_stream stream, text space, text key, bool value);

envoy_schedule envoy_dynamic_module_callback_http_filter_scheduler_new(envoy_stream stream);
void envoy_dynamic_module_callback_http_filter_scheduler_commit(
    envoy_schedule schedule, uint64_t event);
void envoy_dynamic_module_callback_http_filter_scheduler_delete(envoy_schedule schedule);

#endif
