/* Settings of the filter `remixer_knative`; filters/README.md and docs/knative.md explain them. */
#ifndef REMIXER_KNATIVE_SETTINGS_H
#define REMIXER_KNATIVE_SETTINGS_H

#include "autoscaler_link.h"
#include "names.h"
#include "revisions.h"
#include "settings_reader.h"

enum { LONGEST_HEADER_NAME = 127, LONGEST_PROBE_PATH = 255, LONGEST_ADDRESS = 511 };

typedef struct knative_settings {
    autoscaler_url autoscaler;
    char pod_name[LONGEST_POD_NAME + 1];
    bool holds;    /* else requests go on, for Envoy to retry */
    bool by_probe; /* else the first answer of the revision says that it is ready */
    double first_concurrency;
    int64_t awake_us;
    size_t most_revisions;

    char namespace_header[LONGEST_HEADER_NAME + 1], name_header[LONGEST_HEADER_NAME + 1];
    names hosts, clusters; /* to `namespace/name` */
    char host_suffix[LONGEST_HOST + 1];

    char probe_address[LONGEST_ADDRESS + 1]; /* with `{name}` and `{namespace}` */
    char probe_path[LONGEST_PROBE_PATH + 1]; /* empty: a connection suffices */
    int64_t probe_interval_us, probe_longest_interval_us, probe_timeout_us;

    int64_t hold_us;
    uint32_t most_held;
    size_t most_held_bytes;
    unsigned retry_after_s;
} knative_settings;

/* Reads both out of JSON text; false if anything is wrong, which the log then tells. The table
 * is open either way. */
bool knative_settings_read(text source, knative_settings *to, revisions *table);
void knative_settings_free(knative_settings *of);

#endif
