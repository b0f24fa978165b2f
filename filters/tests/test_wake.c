/* Recognising, the stats, the connection, and settings. */
#include <string.h>

#include "scene.h"

extern int envoy_dynamic_module_on_http_filter_local_reply(envoy_stream, const void *, uint32_t,
                                                           text, bool);

static void other_hosts_and_unlisted_revisions_pass_untouched(void) {
    scene it = scene_open("hold", "probe", "");
    fake_stream *stranger = scene_stream(&it, "stranger"), *other = scene_stream(&it, "other");
    CHECK(fake_request(stranger) == HEADERS_CONTINUE);
    CHECK(fake_request(other) == HEADERS_CONTINUE);
    CHECK(fake_counter("remixer_knative.requests_unrecognised") == 1);
    CHECK(fake_counter("remixer_knative.revisions_unknown") == 1);
    CHECK(fake_counter("remixer_knative.requests_held") == 0);
    fake_close(stranger);
    fake_close(other);
    scene_close(&it);
}

static void in_mode_retry_requests_go_on_and_one_stat_is_sent(void) {
    scene it = scene_open("retry", "response", "");
    fake_stream *streams[20];
    CHECK(autoscaler_accept(&it.autoscaler));
    CHECK(fake_run_until_counter("remixer_knative.autoscaler_connects", 1));
    for (int i = 0; i < 20; i++) {
        streams[i] = scene_stream(&it, "hello");
        CHECK(fake_request(streams[i]) == HEADERS_CONTINUE);
    }
    /* The next message may follow within half a second: it is the first that says so once. */
    CHECK(scene_hears_times(&it, "hello") == 1);
    CHECK(fake_run_until_counter("remixer_knative.stats_sent", 1));
    CHECK(fake_run_until_counter("remixer_knative.revisions_woken", 1));
    CHECK(fake_counter("remixer_knative.revisions_woken") == 1);
    for (int i = 0; i < 20; i++)
        fake_close(streams[i]);
    scene_close(&it);
}

static void a_stat_that_found_no_autoscaler_is_sent_once_there_is_one(void) {
    scene it = scene_open("retry", "response", "");
    CHECK(autoscaler_answer(&it.autoscaler, "HTTP/1.1 403 Forbidden\r\n\r\n"));
    fake_stream *stream = scene_stream(&it, "hello");
    (void)fake_request(stream);
    CHECK(autoscaler_answer(&it.autoscaler, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    CHECK(autoscaler_accept(&it.autoscaler));
    CHECK(scene_hears_of(&it, "hello"));
    fake_close(stream);
    scene_close(&it);
}

static void after_a_restart_of_the_autoscaler_it_hears_again_of_who_waits(void) {
    scene it = scene_open("retry", "response", "");
    fake_stream *stream = scene_stream(&it, "hello");
    (void)fake_request(stream);
    CHECK(autoscaler_accept(&it.autoscaler) && scene_hears_of(&it, "hello"));
    autoscaler_send(&it.autoscaler, "\x88\x0c\x03\xf4Restarting", 14);
    CHECK(autoscaler_accept(&it.autoscaler));
    CHECK(scene_hears_of(&it, "hello"));
    fake_close(stream);
    scene_close(&it);
}

static void pings_are_answered_and_messages_of_the_server_skipped(void) {
    static unsigned char flood[20004] = {0x82, 0x7e, 0x4e, 0x20};
    scene it = scene_open("retry", "response", "");
    CHECK(autoscaler_accept(&it.autoscaler));
    autoscaler_send(&it.autoscaler, flood, sizeof flood);
    autoscaler_send(&it.autoscaler, "\x89\x00", 2);
    fake_stream *stream = scene_stream(&it, "hello");
    (void)fake_request(stream);
    CHECK(scene_hears_of(&it, "hello"));
    fake_close(stream);
    scene_close(&it);
}

static void an_answer_makes_it_awake_and_a_failed_connection_asleep(void) {
    scene it = scene_open("retry", "response", "");
    fake_stream *first = scene_stream(&it, "hello"), *second = scene_stream(&it, "hello");
    (void)fake_request(first);
    (void)fake_respond(first, "404");
    (void)fake_request(second); /* awake: not counted, so nothing new is told */
    (void)envoy_dynamic_module_on_http_filter_local_reply(
        second, second->filter, 503, TEXT("upstream_reset_before_response_started{connection_failure}"),
        false);
    CHECK(autoscaler_accept(&it.autoscaler));
    fake_stream *third = scene_stream(&it, "hello");
    (void)fake_request(third);
    CHECK(scene_hears_of(&it, "hello"));
    fake_close(first);
    fake_close(second);
    fake_close(third);
    scene_close(&it);
}

static void by_header_only_names_of_kubernetes_count(void) {
    const void *config = fake_config(
        "remixer_knative",
        "{\"autoscaler\": \"ws://127.0.0.1:1\", \"mode\": \"retry\", \"recognise\":"
        "{\"namespace_header\": \"x-ns\", \"name_header\": \"x-rev\"}, \"readiness\": \"response\","
        "\"max_revisions\": 4}");
    CHECK(config != NULL);
    fake_stream *bad = fake_open(config);
    fake_header(bad, REQUEST_HEADERS, "x-ns", "default");
    fake_header(bad, REQUEST_HEADERS, "x-rev", "Hello\r\nx: y");
    CHECK(fake_request(bad) == HEADERS_CONTINUE);
    CHECK(fake_counter("remixer_knative.requests_unrecognised") == 1);
    fake_close(bad);
    envoy_dynamic_module_on_http_filter_config_destroy(config);
}

static void a_scanner_cannot_fill_the_table(void) {
    const void *config = fake_config(
        "remixer_knative",
        "{\"autoscaler\": \"ws://127.0.0.1:1\", \"mode\": \"retry\", \"recognise\":"
        "{\"host_suffix\": \".example.com\"}, \"readiness\": \"response\", \"max_revisions\": 16}");
    char host[64];
    CHECK(config != NULL);
    for (int i = 0; i < 10000; i++) {
        fake_stream *stream = fake_open(config);
        (void)snprintf(host, sizeof host, "scan-%d.default.example.com", i);
        fake_header(stream, REQUEST_HEADERS, ":authority", host);
        CHECK(fake_request(stream) == HEADERS_CONTINUE);
        fake_close(stream);
    }
    /* Sixteen are remembered until they were told; the others pass without a stat. */
    CHECK(fake_counter("remixer_knative.revisions_unknown") >= 9000);
    envoy_dynamic_module_on_http_filter_config_destroy(config);
}

static void the_cluster_of_the_route_tells_a_revision(void) {
    const void *config = fake_config(
        "remixer_knative",
        "{\"autoscaler\": \"ws://127.0.0.1:1\", \"mode\": \"retry\", \"readiness\": \"response\","
        "\"recognise\": {\"clusters\": {\"c1\": \"default/hello\"}},"
        "\"revisions\": {\"default/other\": \"\"}}");
    CHECK(config != NULL);
    fake_stream *stream = fake_open(config);
    (void)snprintf(stream->cluster, sizeof stream->cluster, "c1");
    (void)fake_request(stream);
    CHECK(fake_counter("remixer_knative.revisions_unknown") == 1);
    fake_close(stream);
    envoy_dynamic_module_on_http_filter_config_destroy(config);
}

static void wrong_settings_are_refused_and_each_fault_is_told(void) {
    static const char *const bad[] = {
        "", "[]", "{}", "{\"autoscaler\": 1}",
        "{\"autoscaler\": \"ws://a:1\", \"recognise\": {\"hosts\": {\"a\": \"b\"}},"
        "\"revisions\": {}}",
        "{\"autoscaler\": \"ws://a:1\", \"recognise\": {\"hosts\": {\"a\": \"b/c\"}}}",
        "{\"autoscaler\": \"ws://a:1\", \"recognise\": {\"hosts\": {\"a\": \"b/c\"}},"
        "\"revisions\": {\"b/c\": \"nowhere\"}}",
        "{\"autoscaler\": \"ws://a:1\", \"recognise\": {\"hosts\": {\"a\": \"b/c\"}},"
        "\"revisions\": {}, \"awake\": 1}",
        "{\"autoscaler\": \"ws://a:1\", \"recognise\": {\"hosts\": {\"a\": \"b/c\"}},"
        "\"revisions\": {}, \"awake_s\": -1}",
        "{\"autoscaler\": \"ws://a:1\", \"recognise\": {\"hosts\": {\"a\": \"b/c\"}},"
        "\"revisions\": {\"b/c\": \"a:1\", \"b/d\": \"a:1\"}, \"max_revisions\": 1}",
        "{\"autoscaler\": \"ws://a:1\", \"recognise\": {\"name_header\": \"x\"},"
        "\"revisions\": {}}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int lines = fake_log_lines;
        CHECK(fake_config("remixer_knative", bad[i]) == NULL);
        CHECK(fake_log_lines > lines);
    }
    CHECK(fake_config("remixer_nothing", "{}") == NULL);
}

const test_case WAKE_TESTS[] = {
    TEST(other_hosts_and_unlisted_revisions_pass_untouched),
    TEST(in_mode_retry_requests_go_on_and_one_stat_is_sent),
    TEST(a_stat_that_found_no_autoscaler_is_sent_once_there_is_one),
    TEST(after_a_restart_of_the_autoscaler_it_hears_again_of_who_waits),
    TEST(pings_are_answered_and_messages_of_the_server_skipped),
    TEST(an_answer_makes_it_awake_and_a_failed_connection_asleep),
    TEST(by_header_only_names_of_kubernetes_count),
    TEST(a_scanner_cannot_fill_the_table),
    TEST(the_cluster_of_the_route_tells_a_revision),
    TEST(wrong_settings_are_refused_and_each_fault_is_told),
    {NULL, NULL},
};
