/* The thread that ends waits: probes revisions for which requests are held, and keeps deadlines. */
#include <poll.h>
#include <sys/prctl.h>

#include "clock.h"
#include "complaints.h"
#include "knative.h"
#include "probe.h"

enum { MOST_PROBES = 256, IDLE_US = 10000000 };
/* 4000 probes a second, all together: less than a tenth of a core. */
enum { PAUSE_PER_PROBE_US = 250 };

typedef struct probing {
    revision *revision; /* NULL: the place is free */
    probe probe;
} probing;

typedef struct holder {
    knative *of;
    probe_plan plan;
    size_t used; /* places below it may be taken */
    probing places[MOST_PROBES];
} holder;

static void take_place(holder *in, revision *of, int64_t now_us) {
    for (size_t i = 0; i < MOST_PROBES; i++) {
        probing *place = &in->places[i];
        if (place->revision != NULL)
            continue;
        atomic_fetch_add(&of->users, 1);
        of->is_probed = true;
        place->revision = of;
        probe_begin(&place->probe, &of->probe_at, now_us);
        if (i >= in->used)
            in->used = i + 1;
        return;
    }
}

static void leave_place(probing *place) {
    probe_end(&place->probe);
    place->revision->is_probed = false;
    revision_release(place->revision);
    place->revision = NULL;
}

/* Deadlines, and places for revisions that have none yet; returns when to look again. */
static int64_t look_around(holder *in, int64_t now_us) {
    knative *of = in->of;
    uint32_t expired = 0;
    int64_t until_us = now_us + IDLE_US;
    pthread_mutex_lock(&of->revisions.lock);
    for (revision *each = of->revisions.running; each != NULL; each = each->next) {
        expired += revision_expire(&of->revisions, each, now_us);
        if (each->first == NULL)
            continue;
        if (each->first->deadline_us < until_us)
            until_us = each->first->deadline_us;
        if (of->settings.by_probe && each->has_probe && !each->is_probed)
            take_place(in, each, now_us);
    }
    for (size_t i = 0; i < in->used; i++)
        if (in->places[i].revision != NULL && in->places[i].revision->first == NULL)
            leave_place(&in->places[i]);
    pthread_mutex_unlock(&of->revisions.lock);
    knative_add(of, COUNT_TIMED_OUT, expired);
    return until_us;
}

static void release(holder *in, probing *place, int64_t now_us) {
    knative *of = in->of;
    revision *ready = place->revision;
    pthread_mutex_lock(&of->revisions.lock);
    atomic_store(&ready->awake_until_us, now_us + of->settings.awake_us);
    ready->is_probed = false;
    uint32_t released = revision_end_all(&of->revisions, ready, WAIT_READY);
    pthread_mutex_unlock(&of->revisions.lock);
    /* Workers are on their way, and want the lock: what can wait comes after. */
    knative_add(of, COUNT_RELEASED, released);
    tell(LOG_DEBUG, "remixer_knative: %s is ready after %.1f ms, %u released", ready->key.text,
         (double)(now_us - place->probe.began_us) / 1000, released);
    probe_end(&place->probe);
    place->revision = NULL;
    revision_release(ready);
}

static void step(holder *in, probing *place, bool is_ready) {
    uint64_t tries = place->probe.tries;
    probe_step(&place->probe, &in->plan, clock_us(), is_ready);
    knative_add(in->of, COUNT_PROBES, place->probe.tries - tries);
    if (place->probe.stage == PROBE_READY)
        release(in, place, clock_us());
}

static void wait_for(struct pollfd *ends, nfds_t count, int64_t until_us) {
    int64_t left_us = until_us - clock_us();
    /* Pauses of probes are shorter than poll(2) can count. */
    struct timespec left = {0};
    if (left_us > 0)
        left = (struct timespec){left_us / 1000000, left_us % 1000000 * 1000};
    (void)ppoll(ends, count, &left, NULL);
}

static void turn(holder *in) {
    struct pollfd ends[MOST_PROBES + 1] = {{.fd = in->of->holder.bell, .events = POLLIN}};
    int64_t until_us = look_around(in, clock_us()), probed = 0;
    for (size_t i = 0; i < in->used; i++) {
        probing *place = &in->places[i];
        ends[i + 1] = (struct pollfd){.fd = -1};
        if (place->revision == NULL)
            continue;
        probed++;
        ends[i + 1] = (struct pollfd){.fd = place->probe.socket,
                                      .events = probe_events(&place->probe)};
        if (place->probe.due_us < until_us)
            until_us = place->probe.due_us;
    }
    in->plan.least_pause_us = probed * PAUSE_PER_PROBE_US;
    wait_for(ends, in->used + 1, until_us);
    if (ends[0].revents != 0)
        thread_heard(&in->of->holder);
    for (size_t i = 0; i < in->used; i++)
        if (in->places[i].revision != NULL)
            step(in, &in->places[i], ends[i + 1].revents != 0);
}

void *holder_run(void *owner) {
    knative *of = owner;
    holder in = {.of = of};
    /* The system lets sleepers oversleep by 50 us; a fifth of the shortest pause. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    in.plan = (probe_plan){
        .path = of->settings.probe_path,
        .interval_us = of->settings.probe_interval_us,
        .longest_interval_us = of->settings.probe_longest_interval_us,
        .timeout_us = of->settings.probe_timeout_us,
    };
    while (!atomic_load(&of->is_ending))
        turn(&in);
    for (size_t i = 0; i < in.used; i++)
        if (in.places[i].revision != NULL)
            leave_place(&in.places[i]);
    return NULL;
}
