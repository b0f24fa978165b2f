/* One configured filter `remixer_knative`: what its streams and its two threads share. */
#ifndef REMIXER_KNATIVE_H
#define REMIXER_KNATIVE_H

#include "knative_settings.h"

typedef enum knative_count {
    COUNT_WOKEN,        /* revisions told to the autoscaler at once */
    COUNT_STATS,        /* sent, of all kinds */
    COUNT_HELD,         /* requests */
    COUNT_RELEASED,     /* held ones that went on */
    COUNT_TIMED_OUT,    /* held ones that were answered 503 */
    COUNT_REFUSED,      /* not held, because too many are: answered 503 */
    COUNT_CANCELLED,    /* held ones whose client left */
    COUNT_UNKNOWN,      /* requests for revisions that are not on the list, or found no room */
    COUNT_UNRECOGNISED, /* requests that tell no revision */
    COUNT_CONNECTS,     /* to the autoscaler; all but the first are reconnects */
    COUNT_PROBES,       /* that were answered, in whatever way, or timed out */
    COUNT_KINDS
} knative_count;

typedef enum knative_gauge { GAUGE_HELD, GAUGE_CONNECTED, GAUGE_KINDS } knative_gauge;

typedef struct wake_thread {
    pthread_t id;
    bool is_running;
    int bell; /* eventfd; ringing makes the thread look again */
} wake_thread;

/* What talks to the autoscaler; see reporter.c. */
typedef struct reporter reporter;

typedef struct knative {
    knative_settings settings;
    revisions revisions;
    envoy_config envoy;
    size_t counter_ids[COUNT_KINDS], gauge_ids[GAUGE_KINDS];
    reporter *telling; /* NULL where Envoy only validates */
    wake_thread reporter, holder;
    _Atomic bool is_ending;
} knative;

/* NULL if the settings are wrong, which the log then tells. Starts no thread where Envoy only
 * validates. */
knative *knative_new(envoy_config envoy, text settings);
/* Ends the threads. No stream is left. */
void knative_free(knative *of);

/* From any thread. */
void knative_add(const knative *of, knative_count kind, uint64_t by);
void knative_set(const knative *of, knative_gauge kind, uint64_t value);
void thread_ring(const wake_thread *thread);
/* Silences the bell. */
void thread_heard(const wake_thread *thread);

/* NULL if there is no memory. Neither tells anybody anything by itself. */
reporter *reporter_new(knative *of);
void reporter_free(reporter *in);
/* From any thread, without locks: a first report of it is due. */
void reporter_tell(knative *of, revision *first);

/* What the threads do until `is_ending`. */
void *reporter_run(void *knative);
void *holder_run(void *knative);

#endif
