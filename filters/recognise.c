#include "recognise.h"

static text header(envoy_stream stream, const char *name) {
    text value = {NULL, 0};
    bool is_there = envoy_dynamic_module_callback_http_get_header(stream, REQUEST_HEADERS,
                                                                  text_of(name), &value, 0, NULL);
    return is_there ? value : (text){NULL, 0};
}

static text without_port(text host) {
    const char *colon = host.length == 0 ? NULL : memrchr(host.at, ':', host.length);
    /* The last colon of an IPv6 address stands within brackets. */
    if (colon != NULL && memchr(colon, ']', (size_t)(host.at + host.length - colon)) == NULL)
        host.length = (size_t)(colon - host.at);
    return host;
}

static bool by_suffix(text host, text suffix, revision_key *to) {
    if (suffix.length == 0 || host.length <= suffix.length || !text_ends(host, suffix))
        return false;
    text rest = {host.at, host.length - suffix.length};
    const char *dot = memrchr(rest.at, '.', rest.length);
    if (dot == NULL)
        return false;
    text name = {rest.at, (size_t)(dot - rest.at)};
    return revision_key_make((text){dot + 1, rest.length - name.length - 1}, name, to);
}

bool recognise_host(const knative_settings *of, text host, revision_key *to) {
    char lower[LONGEST_HOST + 1];
    host = without_port(host);
    if (host.length > LONGEST_HOST)
        return false;
    for (size_t i = 0; i < host.length; i++) {
        char c = host.at[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    host.at = lower;
    const char *key = names_find(&of->hosts, host);
    if (key != NULL)
        return revision_key_read(text_of(key), to);
    return by_suffix(host, text_of(of->host_suffix), to);
}

static bool by_cluster(const knative_settings *of, envoy_stream stream, revision_key *to) {
    text cluster = {NULL, 0};
    if (!envoy_dynamic_module_callback_http_filter_get_attribute_string(
            stream, ATTRIBUTE_CLUSTER_NAME, &cluster))
        return false;
    const char *key = names_find(&of->clusters, cluster);
    return key != NULL && revision_key_read(text_of(key), to);
}

bool recognise(const knative_settings *of, envoy_stream stream, revision_key *to) {
    if (of->name_header[0] != '\0') {
        text name = header(stream, of->name_header);
        if (name.length > 0 && revision_key_make(header(stream, of->namespace_header), name, to))
            return true;
    }
    if (of->hosts.count > 0 || of->host_suffix[0] != '\0')
        if (recognise_host(of, header(stream, ":authority"), to))
            return true;
    return of->clusters.count > 0 && by_cluster(of, stream, to);
}
