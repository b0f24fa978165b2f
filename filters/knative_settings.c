#include "knative_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST_REVISIONS = 65536, DEFAULT_REVISIONS = 1024, US_PER_MS = 1000, US_PER_S = 1000000 };
static const double LONGEST_S = 3600;

static const char *const TOP[] = {"autoscaler", "pod_name", "mode", "recognise", "revisions",
                                  "readiness", "probe", "awake_s", "hold", "first_concurrency",
                                  "max_revisions", NULL};
static const char *const RECOGNISE[] = {"namespace_header", "name_header", "hosts",
                                        "host_suffix", "clusters", NULL};
static const char *const PROBE[] = {"address", "path", "interval_ms", "longest_interval_ms",
                                    "timeout_ms", NULL};
static const char *const HOLD[] = {"deadline_s", "max_requests", "max_bytes", "retry_after_s",
                                   NULL};

static void copy(settings_reader *in, const char *path, const char *from, char *to, size_t room) {
    if (strlen(from) >= room)
        settings_fault(in, path, "is too long");
    (void)snprintf(to, room, "%s", from);
}

static bool one_of(settings_reader *in, const json *top, const char *name, const char *yes,
                   const char *no) {
    const char *found = settings_text(in, top, name, yes);
    char what[64];
    (void)snprintf(what, sizeof what, "must be `%s` or `%s`", yes, no);
    if (strcmp(found, yes) != 0 && strcmp(found, no) != 0)
        settings_fault(in, name, what);
    return strcmp(found, yes) == 0;
}

static void read_peer(settings_reader *in, const json *top, knative_settings *to) {
    const char *url = settings_text(in, top, "autoscaler", "");
    if (!autoscaler_url_read(text_of(url), &to->autoscaler))
        settings_fault(in, "autoscaler", "must be ws://HOST:PORT, with a path or without");
    char host[65] = "envoy", otherwise[80];
    (void)gethostname(host, sizeof host - 1);
    /* Releases before 0.6 ignore stats of pods that are not called so. */
    (void)snprintf(otherwise, sizeof otherwise, "activator-%s", host);
    const char *pod = settings_text(in, top, "pod_name", otherwise);
    copy(in, "pod_name", pod, to->pod_name, sizeof to->pod_name);
}

static void read_keys(settings_reader *in, const json *object, const char *path, names *to) {
    for (const json *each = object == NULL ? NULL : object->first; each; each = each->next) {
        revision_key key;
        if (each->kind != JSON_STRING || !revision_key_read(text_of(each->string), &key))
            settings_fault(in, path, "each value must be NAMESPACE/REVISION");
        else if (!names_put(to, text_of(each->name), text_of(each->string)))
            settings_fault(in, path, "no memory");
    }
}

static void read_recognition(settings_reader *in, const json *top, knative_settings *to) {
    const json *object = settings_get(in, top, "", "recognise", JSON_OBJECT);
    const char *path = "recognise.";
    settings_only(in, object, path, RECOGNISE);
    copy(in, "recognise.namespace_header", settings_text(in, object, "namespace_header", ""),
         to->namespace_header, sizeof to->namespace_header);
    copy(in, "recognise.name_header", settings_text(in, object, "name_header", ""),
         to->name_header, sizeof to->name_header);
    copy(in, "recognise.host_suffix", settings_text(in, object, "host_suffix", ""),
         to->host_suffix, sizeof to->host_suffix);
    read_keys(in, settings_get(in, object, path, "hosts", JSON_OBJECT), "recognise.hosts",
              &to->hosts);
    read_keys(in, settings_get(in, object, path, "clusters", JSON_OBJECT), "recognise.clusters",
              &to->clusters);
    if ((to->namespace_header[0] == '\0') != (to->name_header[0] == '\0'))
        settings_fault(in, "recognise", "needs both namespace_header and name_header, or neither");
    if (to->name_header[0] == '\0' && to->host_suffix[0] == '\0' && to->hosts.count == 0 &&
        to->clusters.count == 0)
        settings_fault(in, "recognise", "must say how a request tells its revision");
    if (to->host_suffix[0] != '\0' && to->host_suffix[0] != '.')
        settings_fault(in, "recognise.host_suffix", "must begin with a dot");
}

static void read_probe(settings_reader *in, const json *top, knative_settings *to) {
    const json *object = settings_get(in, top, "", "probe", JSON_OBJECT);
    settings_only(in, object, "probe.", PROBE);
    copy(in, "probe.address", settings_text(in, object, "address", ""), to->probe_address,
         sizeof to->probe_address);
    copy(in, "probe.path", settings_text(in, object, "path", ""), to->probe_path,
         sizeof to->probe_path);
    if (to->probe_path[0] != '\0' && to->probe_path[0] != '/')
        settings_fault(in, "probe.path", "must begin with `/`");
    for (const char *at = to->probe_path; *at != '\0'; at++)
        if (*at <= ' ')
            settings_fault(in, "probe.path", "must be plain ASCII without spaces");
    to->probe_interval_us =
        (int64_t)(US_PER_MS * settings_number(in, object, "interval_ms", 0.25, 0.1, 60000));
    to->probe_longest_interval_us =
        (int64_t)(US_PER_MS * settings_number(in, object, "longest_interval_ms", 50, 0.1, 60000));
    to->probe_timeout_us =
        (int64_t)(US_PER_MS * settings_number(in, object, "timeout_ms", 300, 1, 60000));
}

static void read_bounds(settings_reader *in, const json *top, knative_settings *to) {
    const json *object = settings_get(in, top, "", "hold", JSON_OBJECT);
    settings_only(in, object, "hold.", HOLD);
    to->hold_us = (int64_t)(US_PER_S * settings_number(in, object, "deadline_s", 60, 0.001,
                                                       LONGEST_S));
    to->most_held = (uint32_t)settings_number(in, object, "max_requests", 10000, 1, 1e6);
    to->most_held_bytes = (size_t)settings_number(in, object, "max_bytes", 67108864, 1024, 1e12);
    to->retry_after_s = (unsigned)settings_number(in, object, "retry_after_s", 1, 0, LONGEST_S);
    to->awake_us = (int64_t)(US_PER_S * settings_number(in, top, "awake_s", 30, 0.001, LONGEST_S));
    to->first_concurrency = settings_number(in, top, "first_concurrency", 1, 0.000001, 1000);
    to->most_revisions =
        (size_t)settings_number(in, top, "max_revisions", DEFAULT_REVISIONS, 1, MOST_REVISIONS);
}

/* Where a revision is probed that has no address of its own. */
static void prepare(const void *owner, revision *made) {
    const knative_settings *of = owner;
    char address[LONGEST_ADDRESS + LONGEST_KEY + 1];
    size_t length = 0;
    const char *at = of->probe_address;
    while (*at != '\0' && length < sizeof address - 1) {
        text part = {at, 1};
        size_t used = 1;
        if (strncmp(at, "{name}", 6) == 0) {
            part = revision_name(&made->key);
            used = 6;
        } else if (strncmp(at, "{namespace}", 11) == 0) {
            part = revision_namespace(&made->key);
            used = 11;
        }
        if (part.length > sizeof address - 1 - length)
            return;
        memcpy(address + length, part.at, part.length);
        length += part.length;
        at += used;
    }
    made->has_probe = length > 0 && endpoint_read((text){address, length}, &made->probe_at);
}

static void read_revisions(settings_reader *in, const json *top, const knative_settings *of,
                           revisions *table) {
    const json *object = settings_get(in, top, "", "revisions", JSON_OBJECT);
    table->is_fixed = object != NULL;
    bool needs_probe = of->holds && of->by_probe;
    if (object == NULL && needs_probe && of->probe_address[0] == '\0')
        settings_fault(in, "probe.address", "must be given where `revisions` lists none");
    for (const json *each = object == NULL ? NULL : object->first; each; each = each->next) {
        revision_key key;
        if (each->kind != JSON_STRING || !revision_key_read(text_of(each->name), &key)) {
            settings_fault(in, "revisions", "each must be \"NAMESPACE/REVISION\": \"HOST:PORT\" "
                                            "(or \"\", to be probed at probe.address)");
            continue;
        }
        revision *made = table->count < table->most ? revisions_add(table, &key) : NULL;
        if (made == NULL) {
            settings_fault(in, "revisions", "are more than max_revisions");
            return;
        }
        if (each->string[0] != '\0')
            made->has_probe = endpoint_read(text_of(each->string), &made->probe_at);
        if (!made->has_probe && (needs_probe || each->string[0] != '\0'))
            settings_fault(in, "revisions", "an address to probe must be HOST:PORT");
    }
}

bool knative_settings_read(text source, knative_settings *to, revisions *table) {
    settings_reader in = {"remixer_knative", 0};
    const char *problem = NULL;
    json *top = json_read(source, &problem);
    *to = (knative_settings){0};
    if (top == NULL || top->kind != JSON_OBJECT)
        settings_fault(&in, "(whole)", problem == NULL ? "must be a JSON object" : problem);
    settings_only(&in, top, "", TOP);
    read_peer(&in, top, to);
    to->holds = one_of(&in, top, "mode", "hold", "retry");
    to->by_probe = one_of(&in, top, "readiness", "probe", "response");
    read_recognition(&in, top, to);
    read_probe(&in, top, to);
    read_bounds(&in, top, to);
    if (!revisions_open(table, to->most_revisions))
        settings_fault(&in, "max_revisions", "no memory for so many");
    else {
        table->prepare = prepare;
        table->owner = to;
        read_revisions(&in, top, to, table);
    }
    json_free(top);
    return in.faults == 0;
}

void knative_settings_free(knative_settings *of) {
    names_free(&of->hosts);
    names_free(&of->clusters);
}
