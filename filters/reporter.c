/* Talks to the autoscaler: at once when a revision is asked for first, then once a second.
 *
 * The first is sent by the worker that got the request, for until a thread runs that slept takes
 * longer than all the rest. What it cannot do at once is left to the thread: who comes while that is
 * at work or while there is no connection, and many at a time. Both under `lock`, which is taken
 * before that of the revisions, and by workers only if nobody has it. */
#include <poll.h>
#include <stdlib.h>

#include "clock.h"
#include "knative.h"

enum { INTERVAL_US = 1000000, FRAME_ROOM = 32 * 1024, US_PER_MS = 1000 };

struct reporter {
    knative *of;
    pthread_mutex_t lock; /* of all below */
    autoscaler_link link;
    uint64_t ups_seen;
    bool was_up;
    int64_t next_us;
    size_t length, stats;
    unsigned char frame[FRAME_ROOM];
};

static void send_frame(reporter *in) {
    if (in->length > 0 && link_send(&in->link, clock_us(), in->frame, in->length))
        knative_add(in->of, COUNT_STATS, in->stats);
    in->length = in->stats = 0;
}

static void put(reporter *in, const revision *of, wake_report report) {
    if (in->length + LONGEST_STAT > FRAME_ROOM)
        send_frame(in);
    stat value = {
        .namespace_ = revision_namespace(&of->key),
        .name = revision_name(&of->key),
        .pod_name = text_of(in->of->settings.pod_name),
        .concurrency = report.concurrency,
        .requests = report.requests,
    };
    in->length += stat_write(in->frame + in->length, &value);
    in->stats++;
}

/* Under the lock: sending does not block, and more than one frame comes only of many revisions. */
static void report_first(reporter *in) {
    knative *of = in->of;
    uint64_t woken = 0;
    wake_report report;
    if (in->link.stage != LINK_UP)
        return;
    pthread_mutex_lock(&of->revisions.lock);
    bool is_new_link = in->ups_seen != in->link.ups;
    for (revision *each = of->revisions.running; each != NULL; each = each->next) {
        if (is_new_link)
            meter_renew(&each->meter);
        if (meter_first(&each->meter, of->settings.first_concurrency, &report)) {
            put(in, each, report);
            woken++;
        }
    }
    send_frame(in);
    pthread_mutex_unlock(&of->revisions.lock);
    if (is_new_link)
        knative_add(of, COUNT_CONNECTS, 1);
    in->ups_seen = in->link.ups;
    knative_add(of, COUNT_WOKEN, woken);
}

static void report_interval(reporter *in, int64_t now_us) {
    knative *of = in->of;
    pthread_mutex_lock(&of->revisions.lock);
    for (revision *each = of->revisions.running, *next; each != NULL; each = next) {
        next = each->next;
        /* What was told at once a moment ago has its first interval still before it. */
        if (now_us - each->meter.since_us < INTERVAL_US / 2)
            continue;
        wake_report report = meter_interval(&each->meter, now_us);
        if (in->link.stage == LINK_UP)
            put(in, each, report);
        revision_settle(&of->revisions, each);
    }
    send_frame(in);
    pthread_mutex_unlock(&of->revisions.lock);
}

static int wait_ms(int64_t until_us, int64_t now_us) {
    int64_t left_us = until_us - now_us;
    return left_us <= 0 ? 0 : (int)(left_us / US_PER_MS) + 1;
}

/* False if the thread has to see to it. Under `lock`. */
static bool tell_one(reporter *in, revision *first) {
    knative *of = in->of;
    wake_report report;
    if (in->link.stage != LINK_UP || in->ups_seen != in->link.ups || in->link.out_length > 0)
        return false;
    pthread_mutex_lock(&of->revisions.lock);
    bool is_due = meter_first(&first->meter, of->settings.first_concurrency, &report);
    pthread_mutex_unlock(&of->revisions.lock);
    if (!is_due)
        return true;
    put(in, first, report);
    send_frame(in);
    knative_add(of, COUNT_WOKEN, 1);
    return in->link.stage == LINK_UP;
}

void reporter_tell(knative *of, revision *first) {
    bool is_told = false;
    if (pthread_mutex_trylock(&of->telling->lock) == 0) {
        is_told = tell_one(of->telling, first);
        pthread_mutex_unlock(&of->telling->lock);
    }
    if (!is_told)
        thread_ring(&of->reporter);
}

/* When to look again, and at what. */
static int64_t look_ahead(reporter *in, struct pollfd ends[2]) {
    pthread_mutex_lock(&in->lock);
    int64_t until_us = link_due_us(&in->link);
    if (in->next_us < until_us)
        until_us = in->next_us;
    ends[0] = (struct pollfd){.fd = in->of->reporter.bell, .events = POLLIN};
    ends[1] = (struct pollfd){.fd = in->link.socket, .events = link_events(&in->link)};
    pthread_mutex_unlock(&in->lock);
    return until_us;
}

static void turn(reporter *in) {
    knative *of = in->of;
    struct pollfd ends[2];
    int64_t until_us = look_ahead(in, ends);
    (void)poll(ends, 2, wait_ms(until_us, clock_us()));
    if (ends[0].revents != 0)
        thread_heard(&of->reporter);
    pthread_mutex_lock(&in->lock);
    int64_t now_us = clock_us();
    link_step(&in->link, now_us, ends[1].revents != 0);
    bool is_up = in->link.stage == LINK_UP;
    if (is_up != in->was_up)
        knative_set(of, GAUGE_CONNECTED, is_up ? 1 : 0);
    in->was_up = is_up;
    report_first(in);
    if (now_us >= in->next_us) {
        in->next_us = now_us + INTERVAL_US;
        report_interval(in, now_us);
    }
    pthread_mutex_unlock(&in->lock);
}

reporter *reporter_new(knative *of) {
    reporter *made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    made->of = of;
    made->next_us = clock_us() + INTERVAL_US;
    if (pthread_mutex_init(&made->lock, NULL) == 0 &&
        link_open(&made->link, &of->settings.autoscaler))
        return made;
    reporter_free(made);
    return NULL;
}

void reporter_free(reporter *in) {
    if (in == NULL)
        return;
    link_close(&in->link);
    pthread_mutex_destroy(&in->lock);
    free(in);
}

void *reporter_run(void *owner) {
    knative *of = owner;
    while (!atomic_load(&of->is_ending))
        turn(of->telling);
    return NULL;
}
