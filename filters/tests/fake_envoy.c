#include "fake_envoy.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

extern const void *envoy_dynamic_module_on_http_filter_config_new(envoy_config, text, text);
extern const void *envoy_dynamic_module_on_http_filter_new(const void *, envoy_stream);
extern void envoy_dynamic_module_on_http_filter_destroy(const void *);
extern int envoy_dynamic_module_on_http_filter_request_headers(envoy_stream, const void *, bool);
extern int envoy_dynamic_module_on_http_filter_response_headers(envoy_stream, const void *, bool);
extern void envoy_dynamic_module_on_http_filter_scheduled(envoy_stream, const void *, uint64_t);

/* A step is a millisecond or more. So many are only made by what never comes: nobody waits long for
 * what does, on however busy a machine. */
enum { MOST_METRICS = 64, WAIT_STEPS = 60000 };

/* Owned by the module; the stream it belongs to forgets it when it closes. */
typedef struct fake_schedule {
    fake_stream *stream;
    int committed;
    struct fake_schedule *next;
} fake_schedule;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static fake_schedule *schedules;
static struct { char name[64]; _Atomic uint64_t value; } metrics[MOST_METRICS];
static size_t metric_count;
_Atomic int fake_log_lines;

/* ---------------------------------------------------------------- what tests call */

const void *fake_config(const char *filter, const char *settings) {
    return envoy_dynamic_module_on_http_filter_config_new(&metrics, text_of(filter),
                                                          text_of(settings));
}

fake_stream *fake_open(const void *config) {
    fake_stream *made = calloc(1, sizeof *made);
    if (made == NULL)
        abort();
    made->filter = (void *)(uintptr_t)envoy_dynamic_module_on_http_filter_new(config, made);
    return made;
}

void fake_close(fake_stream *stream) {
    envoy_dynamic_module_on_http_filter_destroy(stream->filter);
    pthread_mutex_lock(&lock);
    for (fake_schedule *each = schedules; each != NULL; each = each->next)
        if (each->stream == stream)
            abort(); /* a schedule that outlives its stream is a leak */
    pthread_mutex_unlock(&lock);
    free(stream);
}

void fake_header(fake_stream *stream, int map, const char *name, const char *value) {
    size_t at = stream->header_count[map]++;
    (void)snprintf(stream->headers[map][at].name, 64, "%s", name);
    (void)snprintf(stream->headers[map][at].value, 256, "%s", value);
}

int fake_request(fake_stream *stream) {
    return envoy_dynamic_module_on_http_filter_request_headers(stream, stream->filter, true);
}

int fake_respond(fake_stream *stream, const char *status) {
    fake_header(stream, RESPONSE_HEADERS, ":status", status);
    return envoy_dynamic_module_on_http_filter_response_headers(stream, stream->filter, false);
}

static bool run_one(void) {
    fake_stream *stream = NULL;
    pthread_mutex_lock(&lock);
    for (fake_schedule *each = schedules; each != NULL && stream == NULL; each = each->next)
        if (each->committed > 0) {
            each->committed--;
            stream = each->stream;
        }
    pthread_mutex_unlock(&lock);
    if (stream != NULL)
        envoy_dynamic_module_on_http_filter_scheduled(stream, stream->filter, 0);
    return stream != NULL;
}

static void pause_a_little(void) { nanosleep(&(struct timespec){0, 1000000}, NULL); }

void fake_run_for_ms(int milliseconds) {
    for (int i = 0; i < milliseconds; i++) {
        pause_a_little();
        while (run_one())
            continue;
    }
}

bool fake_run_until(const int *count, int wanted) {
    for (int i = 0; i < WAIT_STEPS && *count != wanted; i++)
        if (!run_one())
            pause_a_little();
    return *count == wanted;
}

uint64_t fake_counter(const char *name) {
    for (size_t i = 0; i < metric_count; i++)
        if (strcmp(metrics[i].name, name) == 0)
            return atomic_load(&metrics[i].value);
    return 0;
}

bool fake_run_until_counter(const char *name, uint64_t wanted) {
    for (int i = 0; i < WAIT_STEPS && fake_counter(name) < wanted; i++)
        if (!run_one())
            pause_a_little();
    return fake_counter(name) >= wanted;
}

bool fake_wait_for_counter(const char *name, uint64_t wanted) {
    for (int i = 0; i < WAIT_STEPS && fake_counter(name) < wanted; i++)
        pause_a_little();
    return fake_counter(name) >= wanted;
}

/* ---------------------------------------------------------------- what the module calls */

void envoy_dynamic_module_callback_log(int level, text message) {
    (void)level;
    atomic_fetch_add(&fake_log_lines, 1);
    if (getenv("FAKE_ENVOY_LOG") != NULL)
        (void)fprintf(stderr, "%.*s\n", (int)message.length, message.at);
}
bool envoy_dynamic_module_callback_log_enabled(int level) { return level >= LOG_DEBUG; }
uint32_t envoy_dynamic_module_callback_get_concurrency(void) { return 1; }
bool envoy_dynamic_module_callback_is_validation_mode(void) { return false; }
uint32_t envoy_dynamic_module_callback_http_filter_get_worker_index(envoy_stream stream) {
    (void)stream;
    return 0;
}

static int define(text name, size_t *id) {
    for (*id = 0; *id < metric_count; (*id)++)
        if (text_equal(text_of(metrics[*id].name), name)) {
            atomic_store(&metrics[*id].value, 0); /* each test counts from zero */
            return 0;
        }
    (void)snprintf(metrics[metric_count++].name, 64, "%.*s", (int)name.length, name.at);
    return 0;
}
int envoy_dynamic_module_callback_http_filter_config_define_counter(
    envoy_config config, text name, const text *labels, size_t label_count, size_t *id) {
    (void)config, (void)labels, (void)label_count;
    return define(name, id);
}
int envoy_dynamic_module_callback_http_filter_config_define_gauge(
    envoy_config config, text name, const text *labels, size_t label_count, size_t *id) {
    (void)config, (void)labels, (void)label_count;
    return define(name, id);
}
int envoy_dynamic_module_callback_http_filter_config_increment_counter(
    envoy_config config, size_t id, const text *labels, size_t label_count, uint64_t by) {
    (void)config, (void)labels, (void)label_count;
    atomic_fetch_add(&metrics[id].value, by);
    return 0;
}
int envoy_dynamic_module_callback_http_filter_config_set_gauge(
    envoy_config config, size_t id, const text *labels, size_t label_count, uint64_t value) {
    (void)config, (void)labels, (void)label_count;
    atomic_store(&metrics[id].value, value);
    return 0;
}

bool envoy_dynamic_module_callback_http_get_header(envoy_stream stream, int map, text name,
                                                   text *value, size_t index, size_t *count) {
    fake_stream *of = stream;
    size_t seen = 0;
    *value = (text){NULL, 0};
    for (size_t i = 0; i < of->header_count[map]; i++)
        if (text_equal(text_of(of->headers[map][i].name), name) && seen++ == index)
            *value = text_of(of->headers[map][i].value);
    if (count != NULL)
        *count = seen;
    return value->at != NULL;
}
size_t envoy_dynamic_module_callback_http_get_headers_size(envoy_stream stream, int map) {
    return ((fake_stream *)stream)->header_count[map];
}
bool envoy_dynamic_module_callback_http_get_headers(envoy_stream stream, int map,
                                                    envoy_header *headers) {
    fake_stream *of = stream;
    for (size_t i = 0; i < of->header_count[map]; i++)
        headers[i] = (envoy_header){text_of(of->headers[map][i].name),
                                    text_of(of->headers[map][i].value)};
    return true;
}
void envoy_dynamic_module_callback_http_send_response(envoy_stream stream, uint32_t status,
                                                      const envoy_header *headers,
                                                      size_t header_count, text body,
                                                      text details) {
    fake_stream *of = stream;
    of->status = (int)status;
    (void)snprintf(of->details, sizeof of->details, "%.*s", (int)details.length, details.at);
    (void)snprintf(of->sent_body, sizeof of->sent_body, "%.*s", (int)body.length, body.at);
    size_t at = 0;
    for (size_t i = 0; i < header_count; i++)
        at += (size_t)snprintf(of->sent_headers + at, sizeof of->sent_headers - at, "%.*s=%.*s;",
                               (int)headers[i].name.length, headers[i].name.at,
                               (int)headers[i].value.length, headers[i].value.at);
}
bool envoy_dynamic_module_callback_http_filter_get_attribute_string(envoy_stream stream,
                                                                    int attribute, text *value) {
    fake_stream *of = stream;
    if (attribute != ATTRIBUTE_CLUSTER_NAME || of->cluster[0] == '\0')
        return false;
    *value = text_of(of->cluster);
    return true;
}
void envoy_dynamic_module_callback_http_filter_continue_decoding(envoy_stream stream) {
    ((fake_stream *)stream)->continued++;
}
size_t envoy_dynamic_module_callback_http_get_body_chunks_size(envoy_stream stream, int kind) {
    (void)kind;
    return ((fake_stream *)stream)->body[0] == '\0' ? 0 : 1;
}
bool envoy_dynamic_module_callback_http_get_body_chunks(envoy_stream stream, int kind,
                                                        text *chunks) {
    (void)kind;
    chunks[0] = text_of(((fake_stream *)stream)->body);
    return true;
}

/* ---------------------------------------------------------------- metadata */

static fake_value *nth(envoy_stream stream, text space, text key, int kind, size_t index) {
    fake_stream *of = stream;
    for (size_t i = 0; i < of->metadata_count; i++) {
        fake_value *each = &of->metadata[i];
        if (each->kind == kind && text_equal(text_of(each->space), space) &&
            text_equal(text_of(each->key), key) && index-- == 0)
            return each;
    }
    return NULL;
}
static fake_value *put(envoy_stream stream, text space, text key, int kind) {
    fake_stream *of = stream;
    fake_value *made = &of->metadata[of->metadata_count++];
    (void)snprintf(made->space, 64, "%.*s", (int)space.length, space.at);
    (void)snprintf(made->key, 64, "%.*s", (int)key.length, key.at);
    made->kind = kind;
    return made;
}
bool envoy_dynamic_module_callback_http_get_metadata_number(envoy_stream stream, int source,
                                                            text space, text key, double *value) {
    (void)source;
    fake_value *found = nth(stream, space, key, 'n', 0);
    if (found != NULL)
        *value = found->number;
    return found != NULL;
}
bool envoy_dynamic_module_callback_http_get_metadata_string(envoy_stream stream, int source,
                                                            text space, text key, text *value) {
    (void)source;
    fake_value *found = nth(stream, space, key, 's', 0);
    if (found != NULL)
        *value = text_of(found->string);
    return found != NULL;
}
bool envoy_dynamic_module_callback_http_get_metadata_bool(envoy_stream stream, int source,
                                                          text space, text key, bool *value) {
    (void)source;
    fake_value *found = nth(stream, space, key, 'b', 0);
    if (found != NULL)
        *value = found->number != 0;
    return found != NULL;
}
bool envoy_dynamic_module_callback_http_get_metadata_list_size(envoy_stream stream, int source,
                                                               text space, text key,
                                                               size_t *size) {
    (void)source;
    for (*size = 0; nth(stream, space, key, 'l', *size) != NULL;)
        (*size)++;
    return *size > 0;
}
bool envoy_dynamic_module_callback_http_get_metadata_list_string(envoy_stream stream, int source,
                                                                 text space, text key,
                                                                 size_t index, text *value) {
    (void)source;
    fake_value *found = nth(stream, space, key, 'l', index);
    if (found != NULL)
        *value = text_of(found->string);
    return found != NULL;
}
void envoy_dynamic_module_callback_http_set_dynamic_metadata_number(envoy_stream stream,
                                                                    text space, text key,
                                                                    double value) {
    put(stream, space, key, 'n')->number = value;
}
void envoy_dynamic_module_callback_http_set_dynamic_metadata_string(envoy_stream stream,
                                                                    text space, text key,
                                                                    text value) {
    (void)snprintf(put(stream, space, key, 's')->string, 256, "%.*s", (int)value.length,
                   value.at);
}
void envoy_dynamic_module_callback_http_set_dynamic_metadata_bool(envoy_stream stream, text space,
                                                                  text key, bool value) {
    put(stream, space, key, 'b')->number = value;
}

/* ---------------------------------------------------------------- scheduling */

envoy_schedule envoy_dynamic_module_callback_http_filter_scheduler_new(envoy_stream stream) {
    fake_schedule *made = calloc(1, sizeof *made);
    if (made == NULL)
        abort();
    pthread_mutex_lock(&lock);
    *made = (fake_schedule){.stream = stream, .next = schedules};
    schedules = made;
    pthread_mutex_unlock(&lock);
    return made;
}
void envoy_dynamic_module_callback_http_filter_scheduler_commit(envoy_schedule schedule,
                                                                uint64_t event) {
    (void)event;
    pthread_mutex_lock(&lock);
    ((fake_schedule *)schedule)->committed++;
    pthread_mutex_unlock(&lock);
}
void envoy_dynamic_module_callback_http_filter_scheduler_delete(envoy_schedule schedule) {
    pthread_mutex_lock(&lock);
    fake_schedule **at = &schedules;
    while (*at != schedule)
        at = &(*at)->next;
    *at = (*at)->next;
    pthread_mutex_unlock(&lock);
    free(schedule);
}
