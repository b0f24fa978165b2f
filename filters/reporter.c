/* The thread that talks to the autoscaler: at once when a revision is asked for first, then once
 * a second. It is the only one that touches the connection. */
#include <poll.h>

#include "clock.h"
#include "knative.h"

enum { INTERVAL_US = 1000000, FRAME_ROOM = 32 * 1024, US_PER_MS = 1000 };

typedef struct reporter {
    knative *of;
    autoscaler_link link;
    uint64_t ups_seen;
    int64_t next_us;
    size_t length, stats;
    unsigned char frame[FRAME_ROOM];
} reporter;

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

static void turn(reporter *in) {
    knative *of = in->of;
    int64_t now_us = clock_us();
    int64_t until_us = link_due_us(&in->link);
    if (in->next_us < until_us)
        until_us = in->next_us;
    struct pollfd ends[2] = {
        {.fd = of->reporter.bell, .events = POLLIN},
        {.fd = in->link.socket, .events = link_events(&in->link)},
    };
    (void)poll(ends, 2, wait_ms(until_us, now_us));
    if (ends[0].revents != 0)
        thread_heard(&of->reporter);
    now_us = clock_us();
    bool was_up = in->link.stage == LINK_UP;
    link_step(&in->link, now_us, ends[1].revents != 0);
    if (was_up != (in->link.stage == LINK_UP))
        knative_set(of, GAUGE_CONNECTED, was_up ? 0 : 1);
    report_first(in);
    if (now_us >= in->next_us) {
        in->next_us = now_us + INTERVAL_US;
        report_interval(in, now_us);
    }
}

void *reporter_run(void *owner) {
    reporter in = {.of = owner};
    if (link_open(&in.link, &in.of->settings.autoscaler)) {
        in.next_us = clock_us() + INTERVAL_US;
        while (!atomic_load(&in.of->is_ending))
            turn(&in);
    }
    link_close(&in.link);
    return NULL;
}
