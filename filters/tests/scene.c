#include "scene.h"

#include <string.h>

scene scene_open(const char *mode, const char *readiness, const char *more) {
    char settings[2048];
    scene made = {.pod = pod_asleep(), .autoscaler = autoscaler_start()};
    (void)snprintf(settings, sizeof settings,
                   "{\"autoscaler\": \"ws://127.0.0.1:%d\", \"pod_name\": \"activator-x\","
                   "\"mode\": \"%s\", \"readiness\": \"%s\","
                   "\"recognise\": {\"hosts\": {\"hello\": \"default/hello\","
                   "\"other\": \"default/other\"}},"
                   "\"revisions\": {\"default/hello\": \"127.0.0.1:%d\"}%s%s}",
                   made.autoscaler.port, mode, readiness, made.pod.port,
                   more[0] == '\0' ? "" : ", ", more);
    made.config = fake_config("remixer_knative", settings);
    CHECK(made.config != NULL);
    return made;
}

void scene_close(scene *of) {
    envoy_dynamic_module_on_http_filter_config_destroy(of->config);
    pod_end(&of->pod);
    autoscaler_end(&of->autoscaler);
}

fake_stream *scene_stream(const scene *of, const char *host) {
    fake_stream *made = fake_open(of->config);
    fake_header(made, REQUEST_HEADERS, ":authority", host);
    fake_header(made, REQUEST_HEADERS, ":path", "/");
    return made;
}

int scene_hears_times(scene *of, const char *name) {
    unsigned char message[4096];
    size_t length = autoscaler_read(&of->autoscaler, message, sizeof message);
    int times = 0;
    for (size_t at = 0; at + strlen(name) <= length; at++)
        times += memcmp(message + at, name, strlen(name)) == 0;
    return times;
}

bool scene_hears_of(scene *of, const char *name) { return scene_hears_times(of, name) > 0; }
