#include "wake_meter.h"

static double positive(double value) { return value > 0 ? value : 0; }

static void advance(wake_meter *meter, int64_t now_us) {
    meter->area += (double)meter->waiting * (double)(now_us - meter->changed_us);
    meter->changed_us = now_us;
}

void meter_arrive(wake_meter *meter, int64_t now_us) {
    if (!meter->is_running)
        *meter = (wake_meter){.is_running = true, .is_due = true, .since_us = now_us,
                              .changed_us = now_us};
    advance(meter, now_us);
    meter->waiting++;
    meter->arrivals++;
}

void meter_leave(wake_meter *meter, int64_t now_us) {
    advance(meter, now_us);
    meter->waiting--;
}

void meter_renew(wake_meter *meter) {
    if (meter->waiting > 0)
        meter->is_due = true;
}

bool meter_first(wake_meter *meter, double concurrency, wake_report *report) {
    if (!meter->is_due)
        return false;
    meter->is_due = false;
    meter->told = concurrency;
    *report = (wake_report){concurrency, 1};
    return true;
}

wake_report meter_interval(wake_meter *meter, int64_t now_us) {
    advance(meter, now_us);
    double length_us = (double)(now_us - meter->since_us);
    double average = length_us > 0 ? meter->area / length_us : meter->waiting;
    double length_s = length_us > 0 ? length_us / 1000000 : 1;
    double arrived = meter->arrivals - (meter->told > 0 ? 1.0 : 0.0);
    wake_report report = {positive(average - meter->told), positive(arrived) / length_s};
    /* The average itself, not what is left of it: only then did nobody wait at all. */
    if (average <= 0 && meter->waiting == 0)
        meter->is_running = meter->is_due = false;
    meter->area = meter->told = 0;
    meter->arrivals = 0;
    meter->since_us = now_us;
    return report;
}
