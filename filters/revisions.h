/* The revisions that are known, which of them are awake, and who waits for those that are not.
 *
 * Theory of operation. A revision is awake until a time that every answer of it moves on; before
 * that time a request costs one look-up and one comparison, without a lock. After it, requests
 * are counted in the revision's meter (for the autoscaler) and, if they are to be held, stand in
 * its queue. Whoever ends the wait takes the waiter out of the queue, says how it ended, and
 * lets Envoy call the filter on its own thread; a filter that goes away takes itself out. Both
 * happen under `lock`, so that a waiter is never told after it has gone.
 *
 * A revision that somebody uses (`users`) is never given away. With a list of revisions nothing
 * is added or removed after the start; without one, the table is bounded, and a name that nobody
 * uses and that is not awake makes room for a new one.
 */
#ifndef REMIXER_REVISIONS_H
#define REMIXER_REVISIONS_H

#include <pthread.h>
#include <stdatomic.h>

#include "endpoint.h"
#include "envoy_abi.h"
#include "revision_key.h"
#include "wake_meter.h"

typedef enum wait_end { WAIT_GOES_ON, WAIT_READY, WAIT_TOO_LONG } wait_end;

typedef struct waiter {
    struct waiter *previous, *next;
    envoy_schedule schedule;
    int64_t deadline_us;
    size_t bytes;
    bool is_queued;
    wait_end end;
} waiter;

typedef struct revision {
    struct revision *chain; /* of its bucket */
    struct revision *previous, *next; /* of the list of those with a running meter */
    revision_key key;
    endpoint probe_at;
    bool has_probe;
    bool is_probed; /* by the thread that waits for readiness */
    bool has_scout; /* one of its requests went ahead, to see whether it is ready */
    _Atomic int64_t awake_until_us;
    _Atomic uint32_t users;
    wake_meter meter;
    waiter *first, *last; /* deadlines in order, as all wait equally long */
    uint32_t held;
} revision;

typedef struct revisions {
    pthread_mutex_t lock; /* of all below, and of what is not atomic in each revision */
    revision **buckets;
    size_t bucket_count; /* a power of two */
    uint64_t seed;
    bool is_fixed; /* a list was given; set once, then no lock for looking up */
    size_t count, most;
    size_t clock_hand; /* the bucket where room is sought next */
    revision *running; /* those with a running meter */
    void (*prepare)(const void *owner, revision *made); /* of one that is added; may be NULL */
    const void *owner;
    uint32_t held;
    size_t held_bytes;
} revisions;

bool revisions_open(revisions *in, size_t most);
/* Nobody may wait any more. */
void revisions_close(revisions *in);

/* Adds it while settings are read; NULL if there is no room. */
revision *revisions_add(revisions *in, const revision_key *key);
/* In use, until `revision_release`; NULL if it is not on the list, or the table is full. */
revision *revisions_use(revisions *in, const revision_key *key);
void revision_release(revision *of);

static inline bool revision_is_awake(const revision *of, int64_t now_us) {
    return atomic_load_explicit(&of->awake_until_us, memory_order_acquire) > now_us;
}

/* The rest under `lock`. */
void revision_arrive(revisions *in, revision *of, int64_t now_us);
void revision_leave(revision *of, int64_t now_us);
/* Out of the list of running ones, if its meter stands still. */
void revision_settle(revisions *in, revision *of);
void waiter_queue(revisions *in, revision *of, waiter *who);
void waiter_withdraw(revisions *in, revision *of, waiter *who);
/* Ends the wait of the first in the queue; false if there is none. */
bool revision_end_one(revisions *in, revision *of, wait_end end);
/* How many. */
uint32_t revision_end_all(revisions *in, revision *of, wait_end end);
/* Ends the waits whose deadline has passed; how many. */
uint32_t revision_expire(revisions *in, revision *of, int64_t now_us);

#endif
