/* The filter `remixer_knative` on one stream.
 *
 *     PASSING   the revision is awake, or there is none
 *     COUNTED   it went on while the revision sleeps: Envoy retries it (mode `retry`), or it is
 *               the scout whose answer tells that the revision is ready (readiness `response`)
 *     HELD      it stands in the revision's queue
 *     PASSING again with the first answer, the release, the 503, or the end of the stream
 */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "filter.h"
#include "knative.h"
#include "recognise.h"

enum { MOST_HEADERS = 256, HEADER_COST = 32 };

typedef enum stream_stage { STREAM_PASSING, STREAM_COUNTED, STREAM_HELD } stream_stage;

typedef struct knative_stream {
    filter_stream base;
    knative *of;
    revision *revision; /* NULL: the request is for none that is known */
    waiter waiter;      /* of HELD */
    stream_stage stage;
    bool is_scout;
    bool is_local; /* its answer is Envoy's own */
} knative_stream;

static void *config_new(envoy_config envoy, text settings) { return knative_new(envoy, settings); }
static void config_free(void *shared) { knative_free(shared); }

static filter_stream *stream_new(void *shared, envoy_stream envoy) {
    (void)envoy;
    knative_stream *self = calloc(1, sizeof *self);
    if (self == NULL)
        return NULL;
    self->base.kind = &KNATIVE_FILTER;
    self->of = shared;
    return &self->base;
}

static void lock(knative_stream *self) { pthread_mutex_lock(&self->of->revisions.lock); }
static void unlock(knative_stream *self) { pthread_mutex_unlock(&self->of->revisions.lock); }
/* Under the lock, so that the last to tell is the last to have changed it. */
static void tell_held(knative_stream *self) {
    knative_set(self->of, GAUGE_HELD, self->of->revisions.held);
}

/* ---------------------------------------------------------------- answers of our own */

/* Why it was not served: words are those of the adapter's header. */
typedef struct refusal {
    const char *sentence;
    text cause;
    text details; /* for Envoy's access log */
} refusal;

static const refusal NOT_READY = {
    "the service is starting and was not ready in time",
    {"not-ready", 9}, {"remixer_knative_not_ready", 25}};
static const refusal ROOM_FULL = {
    "the service is starting and too many requests wait already",
    {"room-full", 9}, {"remixer_knative_room_full", 25}};
static const refusal BYTES_FULL = {
    "the service is starting and requests that wait already are too large",
    {"bytes-full", 10}, {"remixer_knative_bytes_full", 26}};

static int refuse(const knative_stream *self, envoy_stream envoy, const refusal *why) {
    char seconds[16], body[160];
    (void)snprintf(seconds, sizeof seconds, "%u", self->of->settings.retry_after_s);
    envoy_header headers[] = {
        {TEXT("retry-after"), text_of(seconds)},
        {TEXT("x-remixer-cause"), why->cause},
        {TEXT("content-type"), TEXT("text/plain")},
    };
    (void)snprintf(body, sizeof body, "%s\n", why->sentence);
    envoy_dynamic_module_callback_http_send_response(
        envoy, 503, headers, sizeof headers / sizeof *headers, text_of(body), why->details);
    return HEADERS_STOP;
}

/* ---------------------------------------------------------------- a request for a sleeping one */

/* What the headers of a held request take in Envoy's memory, about. */
static size_t header_bytes(envoy_stream envoy) {
    envoy_header headers[MOST_HEADERS];
    size_t count = envoy_dynamic_module_callback_http_get_headers_size(envoy, REQUEST_HEADERS);
    size_t bytes = count * HEADER_COST;
    if (count > MOST_HEADERS)
        return bytes * 4;
    if (!envoy_dynamic_module_callback_http_get_headers(envoy, REQUEST_HEADERS, headers))
        return bytes;
    for (size_t i = 0; i < count; i++)
        bytes += headers[i].name.length + headers[i].value.length;
    return bytes;
}

/* Under the lock. */
static void count_in(knative_stream *self, stream_stage stage, int64_t now_us) {
    revision_arrive(&self->of->revisions, self->revision, now_us);
    self->stage = stage;
}

static int go_on_counted(knative_stream *self, int64_t now_us) {
    lock(self);
    count_in(self, STREAM_COUNTED, now_us);
    bool is_due = self->revision->meter.is_due;
    unlock(self);
    if (is_due)
        reporter_tell(self->of, self->revision);
    return HEADERS_CONTINUE;
}

typedef enum admission {
    ADMIT_HOLD,
    ADMIT_SCOUT,
    ADMIT_AWAKE,
    ADMIT_NO_ROOM,
    ADMIT_NO_BYTES
} admission;

/* Under the lock. */
static admission admit(const knative_stream *self, size_t bytes, int64_t now_us) {
    const knative *of = self->of;
    if (revision_is_awake(self->revision, now_us))
        return ADMIT_AWAKE;
    bool may_probe = of->settings.by_probe && self->revision->has_probe;
    if (!may_probe && !self->revision->has_scout)
        return ADMIT_SCOUT;
    if (of->revisions.held >= of->settings.most_held)
        return ADMIT_NO_ROOM;
    bool fits = of->revisions.held_bytes + bytes <= of->settings.most_held_bytes;
    return fits ? ADMIT_HOLD : ADMIT_NO_BYTES;
}

static int hold(knative_stream *self, envoy_stream envoy, int64_t now_us) {
    knative *of = self->of;
    size_t bytes = header_bytes(envoy);
    envoy_schedule schedule = envoy_dynamic_module_callback_http_filter_scheduler_new(envoy);
    self->waiter = (waiter){.schedule = schedule, .deadline_us = now_us + of->settings.hold_us,
                            .bytes = bytes};
    lock(self);
    admission admitted = admit(self, bytes, now_us);
    bool is_first = self->revision->first == NULL;
    if (admitted == ADMIT_HOLD) {
        count_in(self, STREAM_HELD, now_us);
        waiter_queue(&of->revisions, self->revision, &self->waiter);
    } else if (admitted == ADMIT_SCOUT) {
        count_in(self, STREAM_COUNTED, now_us);
        self->is_scout = self->revision->has_scout = true;
    }
    bool is_due = self->revision->meter.is_due;
    if (admitted == ADMIT_HOLD)
        tell_held(self);
    unlock(self);
    if (admitted == ADMIT_NO_ROOM || admitted == ADMIT_NO_BYTES) {
        knative_add(of, COUNT_REFUSED, 1);
        return refuse(self, envoy, admitted == ADMIT_NO_ROOM ? &ROOM_FULL : &BYTES_FULL);
    }
    if (is_due)
        reporter_tell(of, self->revision);
    if (admitted != ADMIT_HOLD)
        return HEADERS_CONTINUE;
    if (is_first)
        thread_ring(&of->holder);
    knative_add(of, COUNT_HELD, 1);
    return HEADERS_STOP_ALL_AND_WATERMARK;
}

static int request_headers(filter_stream *base, envoy_stream envoy, bool is_last) {
    (void)is_last;
    knative_stream *self = (knative_stream *)base;
    knative *of = self->of;
    revision_key key;
    if (!recognise(&of->settings, envoy, &key)) {
        knative_add(of, COUNT_UNRECOGNISED, 1);
        return HEADERS_CONTINUE;
    }
    self->revision = revisions_use(&of->revisions, &key);
    if (self->revision == NULL) {
        knative_add(of, COUNT_UNKNOWN, 1);
        return HEADERS_CONTINUE;
    }
    int64_t now_us = clock_us();
    if (revision_is_awake(self->revision, now_us))
        return HEADERS_CONTINUE;
    return of->settings.holds ? hold(self, envoy, now_us) : go_on_counted(self, now_us);
}

/* ---------------------------------------------------------------- how it goes on */

/* Under the lock: the next in the queue tries, where nothing but an answer tells of readiness. */
static void send_next_scout(knative_stream *self) {
    revision *of = self->revision;
    self->is_scout = of->has_scout = false;
    waiter *next = of->first;
    if (next == NULL)
        return;
    knative_stream *other =
        (knative_stream *)((char *)next - offsetof(knative_stream, waiter));
    other->is_scout = of->has_scout = true;
    (void)revision_end_one(&self->of->revisions, of, WAIT_READY);
    knative_add(self->of, COUNT_RELEASED, 1);
}

/* Under the lock. */
static void count_out(knative_stream *self) {
    if (self->stage == STREAM_PASSING)
        return;
    revision_leave(self->revision, clock_us());
    self->stage = STREAM_PASSING;
}

static void scheduled(filter_stream *base, envoy_stream envoy) {
    knative_stream *self = (knative_stream *)base;
    lock(self);
    wait_end end = self->waiter.end;
    if (self->stage == STREAM_HELD && end != WAIT_GOES_ON) {
        /* A scout is counted until it has its answer. */
        if (self->is_scout)
            self->stage = STREAM_COUNTED;
        else
            count_out(self);
    } else {
        end = WAIT_GOES_ON;
    }
    if (end != WAIT_GOES_ON)
        tell_held(self);
    unlock(self);
    if (end == WAIT_GOES_ON)
        return;
    if (end == WAIT_READY)
        envoy_dynamic_module_callback_http_filter_continue_decoding(envoy);
    else
        (void)refuse(self, envoy, &NOT_READY);
}

/* Whether the answer came from the revision, and not from what stands before it. */
static bool is_from_revision(const knative_stream *self, envoy_stream envoy) {
    text status = {NULL, 0};
    if (self->is_local)
        return false;
    (void)envoy_dynamic_module_callback_http_get_header(envoy, RESPONSE_HEADERS, TEXT(":status"),
                                                        &status, 0, NULL);
    return !text_equal(status, TEXT("503")) && !text_equal(status, TEXT("502")) &&
           !text_equal(status, TEXT("504"));
}

static int response_headers(filter_stream *base, envoy_stream envoy, bool is_last) {
    (void)is_last;
    knative_stream *self = (knative_stream *)base;
    if (self->revision == NULL)
        return HEADERS_CONTINUE;
    bool is_good = is_from_revision(self, envoy);
    if (is_good)
        atomic_store_explicit(&self->revision->awake_until_us,
                              clock_us() + self->of->settings.awake_us, memory_order_release);
    if (self->stage == STREAM_PASSING)
        return HEADERS_CONTINUE;
    uint32_t released = 0;
    lock(self);
    count_out(self);
    if (is_good)
        released = revision_end_all(&self->of->revisions, self->revision, WAIT_READY);
    if (self->is_scout && is_good)
        self->is_scout = self->revision->has_scout = false;
    else if (self->is_scout)
        send_next_scout(self);
    unlock(self);
    knative_add(self->of, COUNT_RELEASED, released);
    return HEADERS_CONTINUE;
}

static void local_reply(filter_stream *base, envoy_stream envoy, uint32_t status, text details) {
    (void)envoy;
    knative_stream *self = (knative_stream *)base;
    self->is_local = true;
    /* Nobody is there: the next request wakes it again, however recently it answered. */
    bool is_gone = text_starts(details, TEXT("no_healthy_upstream")) ||
                   memmem(details.at, details.length, TEXT("connection_failure").at,
                          TEXT("connection_failure").length) != NULL;
    if (status == 503 && is_gone && self->revision != NULL)
        atomic_store(&self->revision->awake_until_us, 0);
}

static void stream_free(filter_stream *base) {
    knative_stream *self = (knative_stream *)base;
    if (self->revision != NULL && (self->stage != STREAM_PASSING || self->is_scout)) {
        lock(self);
        bool was_held = self->waiter.is_queued;
        waiter_withdraw(&self->of->revisions, self->revision, &self->waiter);
        count_out(self);
        if (self->is_scout)
            send_next_scout(self);
        tell_held(self);
        unlock(self);
        knative_add(self->of, COUNT_CANCELLED, was_held ? 1 : 0);
    }
    if (self->waiter.schedule != NULL)
        envoy_dynamic_module_callback_http_filter_scheduler_delete(self->waiter.schedule);
    if (self->revision != NULL)
        revision_release(self->revision);
    free(self);
}

const filter_kind KNATIVE_FILTER = {
    .name = "remixer_knative",
    .config_new = config_new,
    .config_free = config_free,
    .stream_new = stream_new,
    .stream_free = stream_free,
    .request_headers = request_headers,
    .response_headers = response_headers,
    .scheduled = scheduled,
    .local_reply = local_reply,
};
