/* What to tell the autoscaler of one revision, and when. Pure.
 *
 * At once for the first request, as one; then once a second the average of how many waited; once
 * more, zero, when none did. What was told at once is subtracted from the next average: it is in
 * there too. Source: the activator of Knative Serving 1.23.
 */
#ifndef REMIXER_WAKE_METER_H
#define REMIXER_WAKE_METER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct wake_meter {
    bool is_running; /* the autoscaler heard, or must hear, of it */
    bool is_due;     /* something must be told at once */
    uint32_t waiting;
    uint32_t arrivals; /* since `since_us` */
    double told;       /* at once, since `since_us` */
    double area;       /* waiting requests times microseconds, since `since_us` */
    int64_t since_us;
    int64_t changed_us;
} wake_meter;

typedef struct wake_report {
    double concurrency;
    double requests; /* per second */
} wake_report;

void meter_arrive(wake_meter *meter, int64_t now_us);
void meter_leave(wake_meter *meter, int64_t now_us);
/* The connection is new: who hears now knows nothing. */
void meter_renew(wake_meter *meter);
/* The report that is due at once; false if none is. */
bool meter_first(wake_meter *meter, double concurrency, wake_report *report);
/* The report of the interval that ends now. After a zero the meter stands still. */
wake_report meter_interval(wake_meter *meter, int64_t now_us);

#endif
