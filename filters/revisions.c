#include "revisions.h"

#include <stdlib.h>

#include "clock.h"

bool revisions_open(revisions *in, size_t most) {
    *in = (revisions){.most = most, .bucket_count = 64};
    while (in->bucket_count < most)
        in->bucket_count *= 2;
    random_bytes(&in->seed, sizeof in->seed);
    in->buckets = calloc(in->bucket_count, sizeof *in->buckets);
    return pthread_mutex_init(&in->lock, NULL) == 0 && in->buckets != NULL;
}

void revisions_close(revisions *in) {
    for (size_t i = 0; in->buckets != NULL && i < in->bucket_count; i++)
        while (in->buckets[i] != NULL) {
            revision *gone = in->buckets[i];
            in->buckets[i] = gone->chain;
            free(gone);
        }
    free(in->buckets);
    pthread_mutex_destroy(&in->lock);
}

static revision **bucket_of(revisions *in, const revision_key *key) {
    uint64_t hash = text_hash(revision_key_text(key), in->seed);
    return &in->buckets[hash & (in->bucket_count - 1)];
}

static revision *find(revisions *in, const revision_key *key) {
    revision *found = *bucket_of(in, key);
    while (found != NULL &&
           !text_equal(revision_key_text(&found->key), revision_key_text(key)))
        found = found->chain;
    return found;
}

static bool may_go(const revision *of, int64_t now_us) {
    return atomic_load(&of->users) == 0 && !of->meter.is_running && !revision_is_awake(of, now_us);
}

/* Takes out one that may go, looking at each bucket at most once; NULL if all are needed. */
static revision *make_room(revisions *in) {
    int64_t now_us = clock_us();
    for (size_t i = 0; i < in->bucket_count; i++) {
        in->clock_hand = (in->clock_hand + 1) & (in->bucket_count - 1);
        for (revision **at = &in->buckets[in->clock_hand]; *at != NULL; at = &(*at)->chain) {
            revision *found = *at;
            if (may_go(found, now_us)) {
                *at = found->chain;
                in->count--;
                return found;
            }
        }
    }
    return NULL;
}

revision *revisions_add(revisions *in, const revision_key *key) {
    revision *made = in->count < in->most ? malloc(sizeof *made) : make_room(in);
    if (made == NULL)
        return NULL;
    memset(made, 0, sizeof *made);
    made->key = *key;
    revision **bucket = bucket_of(in, key);
    made->chain = *bucket;
    *bucket = made;
    in->count++;
    if (in->prepare != NULL)
        in->prepare(in->owner, made);
    return made;
}

revision *revisions_use(revisions *in, const revision_key *key) {
    if (in->is_fixed) {
        revision *listed = find(in, key);
        if (listed != NULL)
            atomic_fetch_add_explicit(&listed->users, 1, memory_order_relaxed);
        return listed;
    }
    pthread_mutex_lock(&in->lock);
    revision *found = find(in, key);
    if (found == NULL)
        found = revisions_add(in, key);
    if (found != NULL)
        atomic_fetch_add(&found->users, 1);
    pthread_mutex_unlock(&in->lock);
    return found;
}

void revision_release(revision *of) {
    atomic_fetch_sub_explicit(&of->users, 1, memory_order_release);
}

void revision_arrive(revisions *in, revision *of, int64_t now_us) {
    if (!of->meter.is_running) {
        of->previous = NULL;
        of->next = in->running;
        if (in->running != NULL)
            in->running->previous = of;
        in->running = of;
    }
    meter_arrive(&of->meter, now_us);
}

void revision_leave(revision *of, int64_t now_us) { meter_leave(&of->meter, now_us); }

void revision_settle(revisions *in, revision *of) {
    if (of->meter.is_running)
        return;
    if (of->previous != NULL)
        of->previous->next = of->next;
    else
        in->running = of->next;
    if (of->next != NULL)
        of->next->previous = of->previous;
    of->previous = of->next = NULL;
}

void waiter_queue(revisions *in, revision *of, waiter *who) {
    who->previous = of->last;
    who->next = NULL;
    if (of->last != NULL)
        of->last->next = who;
    else
        of->first = who;
    of->last = who;
    who->is_queued = true;
    who->end = WAIT_GOES_ON;
    of->held++;
    in->held++;
    in->held_bytes += who->bytes;
}

void waiter_withdraw(revisions *in, revision *of, waiter *who) {
    if (!who->is_queued)
        return;
    if (who->previous != NULL)
        who->previous->next = who->next;
    else
        of->first = who->next;
    if (who->next != NULL)
        who->next->previous = who->previous;
    else
        of->last = who->previous;
    who->previous = who->next = NULL;
    who->is_queued = false;
    of->held--;
    in->held--;
    in->held_bytes -= who->bytes;
}

bool revision_end_one(revisions *in, revision *of, wait_end end) {
    waiter *who = of->first;
    if (who == NULL)
        return false;
    waiter_withdraw(in, of, who);
    who->end = end;
    envoy_dynamic_module_callback_http_filter_scheduler_commit(who->schedule, 0);
    return true;
}

uint32_t revision_end_all(revisions *in, revision *of, wait_end end) {
    uint32_t ended = 0;
    while (revision_end_one(in, of, end))
        ended++;
    return ended;
}

uint32_t revision_expire(revisions *in, revision *of, int64_t now_us) {
    uint32_t ended = 0;
    while (of->first != NULL && of->first->deadline_us <= now_us &&
           revision_end_one(in, of, WAIT_TOO_LONG))
        ended++;
    return ended;
}
