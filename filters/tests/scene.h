/* A configured filter with peers, as most tests of `remixer_knative` need it. */
#ifndef REMIXER_SCENE_H
#define REMIXER_SCENE_H

#include "check.h"
#include "fake_envoy.h"
#include "fake_peers.h"

extern void envoy_dynamic_module_on_http_filter_config_destroy(const void *);

typedef struct scene {
    const void *config;
    fake_pod pod;
    fake_autoscaler autoscaler;
} scene;

/* The revision is `default/hello`, its host `hello`; `more` are further settings, or "". */
scene scene_open(const char *mode, const char *readiness, const char *more);
void scene_close(scene *of);
/* A request for the host. */
fake_stream *scene_stream(const scene *of, const char *host);
/* Reads a message of the autoscaler's; how often it has the name in it, and whether it does. */
int scene_hears_times(scene *of, const char *name);
bool scene_hears_of(scene *of, const char *name);

#endif
