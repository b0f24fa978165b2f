/* Asking an address, again and again, whether a pod answers there. Never blocks but for names.
 *
 *     WAITING --time--> CONNECTING --connected--> ASKING --2xx--> READY
 *     CONNECTING, ASKING --refused, other answer, too late--> WAITING
 *
 * The pauses grow with the time already spent: a start of two seconds is noticed within 1 ms,
 * one of half a second within the shortest pause.
 */
#ifndef REMIXER_PROBE_H
#define REMIXER_PROBE_H

#include "endpoint.h"

typedef struct probe_plan {
    const char *path; /* empty: a connection suffices */
    int64_t interval_us, longest_interval_us, timeout_us;
    int64_t least_pause_us; /* so that many probes together stay cheap */
} probe_plan;

typedef enum probe_stage { PROBE_WAITING, PROBE_CONNECTING, PROBE_ASKING, PROBE_READY } probe_stage;

typedef struct probe {
    const endpoint *at;
    probe_stage stage;
    int socket; /* -1 if there is none */
    int64_t began_us;
    int64_t due_us; /* when it is to be stepped at the latest */
    int64_t found_us; /* when its name was looked up */
    endpoint_found found;
    size_t came;
    char answer[16];  /* the beginning of the status line */
    uint64_t tries; /* that have ended */
} probe;

void probe_begin(probe *of, const endpoint *at, int64_t now_us);
void probe_step(probe *of, const probe_plan *plan, int64_t now_us, bool is_ready);
short probe_events(const probe *of);
void probe_end(probe *of);

#endif
