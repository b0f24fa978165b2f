/* The autoscaler's stat as bytes: protobuf `metrics.WireStatMessages`, proto3. Pure.
 *
 * The timestamp stays unset: the autoscaler then takes its own clock, and a wrong one of ours
 * cannot freeze a revision at its size.
 */
#ifndef REMIXER_STAT_MESSAGE_H
#define REMIXER_STAT_MESSAGE_H

#include "text.h"

enum {
    LONGEST_NAMESPACE = 63, /* a DNS label */
    LONGEST_NAME = 253,     /* a DNS name */
    LONGEST_POD_NAME = 253,
    LONGEST_KEY = LONGEST_NAMESPACE + 1 + LONGEST_NAME,
    LONGEST_STAT = LONGEST_KEY + LONGEST_POD_NAME + 64
};

typedef struct stat {
    text namespace_;
    text name;
    text pod_name;
    double concurrency; /* average over the interval; finite and not negative */
    double requests;    /* that came, per second */
} stat;

/* Writes one element of `messages`, at most LONGEST_STAT bytes; returns how many. Elements
 * written one behind the other are one message with several stats. */
size_t stat_write(unsigned char *to, const stat *value);

#endif
