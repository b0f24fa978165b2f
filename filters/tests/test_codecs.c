/* Bytes in, bytes out: nothing here needs a socket. */
#include <math.h>

#include "../autoscaler_link.h"
#include "../json.h"
#include "../names.h"
#include "../recognise.h"
#include "../revision_key.h"
#include "../sha1.h"
#include "../stat_message.h"
#include "../wake_meter.h"
#include "../websocket.h"
#include "check.h"

static void a_stat_has_the_bytes_of_protobufs_own_library(void) {
    static const unsigned char wanted[] = {
        0x0a, 0x37, 0x0a, 0x07, 'd', 'e', 'f', 'a', 'u', 'l', 't', 0x12, 0x0b, 'h', 'e',
        'l', 'l', 'o', '-', '0', '0', '0', '0', '1', 0x1a, 0x1f, 0x0a, 0x0b, 'a', 'c',
        't', 'i', 'v', 'a', 't', 'o', 'r', '-', 'x', 0x11, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f,
        0x21, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f};
    unsigned char bytes[LONGEST_STAT];
    stat value = {TEXT("default"), TEXT("hello-00001"), TEXT("activator-x"), 1, 1};
    CHECK(stat_write(bytes, &value) == sizeof wanted);
    CHECK(memcmp(bytes, wanted, sizeof wanted) == 0);
}

static void what_is_not_finite_or_negative_is_never_sent(void) {
    unsigned char bytes[LONGEST_STAT], zero[LONGEST_STAT];
    stat value = {TEXT("a"), TEXT("b"), TEXT("c"), 0, 0};
    size_t length = stat_write(zero, &value);
    const double poison[] = {NAN, INFINITY, -INFINITY, -1};
    for (int i = 0; i < 4; i++) {
        value.concurrency = value.requests = poison[i];
        CHECK(stat_write(bytes, &value) == length);
        CHECK(memcmp(bytes, zero, length) == 0);
    }
}

static void the_longest_names_fit(void) {
    char namespace_[LONGEST_NAMESPACE], name[LONGEST_NAME];
    unsigned char bytes[LONGEST_STAT];
    memset(namespace_, 'n', sizeof namespace_);
    memset(name, 'r', sizeof name);
    stat value = {{namespace_, sizeof namespace_}, {name, sizeof name}, {name, sizeof name}, 1, 1};
    CHECK(stat_write(bytes, &value) <= LONGEST_STAT);
}

static void a_key_is_two_names_of_kubernetes(void) {
    static const char *const bad[] = {"", "/", "a", "a/", "/b", "a.b/c", "A/b", "a/B", "a/b c",
                                      "a/b\r\nx", "a/-b", "a/b-", "a/b/c", "a/b\x7f"};
    revision_key key;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!revision_key_read(text_of(bad[i]), &key));
    CHECK(revision_key_read(TEXT("shop/cart-00001.v2"), &key));
    CHECK(text_equal(revision_namespace(&key), TEXT("shop")));
    CHECK(text_equal(revision_name(&key), TEXT("cart-00001.v2")));
}

static void a_name_too_long_is_no_key(void) {
    char whole[LONGEST_KEY + 8];
    revision_key key;
    memset(whole, 'a', sizeof whole);
    whole[LONGEST_NAMESPACE] = '/';
    CHECK(revision_key_read((text){whole, LONGEST_KEY}, &key));
    CHECK(!revision_key_read((text){whole, LONGEST_KEY + 1}, &key));
    whole[LONGEST_NAMESPACE] = 'a';
    whole[LONGEST_NAMESPACE + 1] = '/';
    CHECK(!revision_key_read((text){whole, LONGEST_NAMESPACE + 3}, &key));
}

static void sha1_agrees_with_the_standard(void) {
    unsigned char digest[SHA1_BYTES];
    sha1(TEXT("abc"), digest);
    CHECK(memcmp(digest, "\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78\x50\xc2\x6c"
                         "\x9c\xd0\xd8\x9d", SHA1_BYTES) == 0);
    sha1(TEXT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), digest);
    CHECK(memcmp(digest, "\x84\x98\x3e\x44\x1c\x3b\xd2\x6e\xba\xae\x4a\xa1\xf9\x51\x29\xe5"
                         "\xe5\x46\x70\xf1", SHA1_BYTES) == 0);
}

static ws_reply reply(const char *answer, int *status) {
    size_t used = 0;
    return ws_read_reply(text_of(answer), "dGhlIHNhbXBsZSBub25jZQ==", &used, status);
}

static void the_peer_must_prove_that_it_speaks_websocket(void) {
    int status;
    /* Key and proof are those of RFC 6455, section 1.3. */
    CHECK(reply("HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\n"
                "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", &status) ==
          WS_ACCEPTED);
    CHECK(reply("HTTP/1.1 101 X\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n", &status) ==
          WS_REFUSED);
    CHECK(reply("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", &status) == WS_REFUSED);
    CHECK(status == 200);
    CHECK(reply("HTTP/1.1 101 X\r\n", &status) == WS_INCOMPLETE);
    CHECK(reply("SSH-2.0-x\r\n\r\n", &status) == WS_REFUSED);
    CHECK(reply("HTTP/1.1 \r\n\r\n", &status) == WS_REFUSED);
}

static void frames_are_masked_and_know_their_length(void) {
    static unsigned char payload[70000], frame[70000 + WS_LARGEST_HEADER];
    static const unsigned char mask[4] = {1, 2, 3, 4};
    const size_t lengths[] = {0, 125, 126, 65535, 65536}, heads[] = {6, 6, 8, 8, 14};
    for (int i = 0; i < 5; i++) {
        size_t whole = ws_write(frame, WS_BINARY, payload, lengths[i], mask);
        CHECK(whole == heads[i] + lengths[i]);
        CHECK(frame[0] == 0x82 && (frame[1] & 0x80) != 0);
        if (lengths[i] > 1)
            CHECK(frame[heads[i]] == 1 && frame[heads[i] + 1] == 2);
    }
}

static ws_seen seen(const char *bytes, size_t length, ws_frame *frame) {
    return ws_read((text){bytes, length}, frame);
}

static void frames_of_the_server_are_read_or_refused(void) {
    ws_frame frame;
    CHECK(seen("\x88\x02\x03\xf4", 4, &frame) == WS_FRAME && ws_close_code(&frame) == 1012);
    CHECK(seen("\x88\x00", 2, &frame) == WS_FRAME && ws_close_code(&frame) == 1005);
    CHECK(seen("\x89\x02\x01", 3, &frame) == WS_MORE);
    CHECK(seen("\x89", 1, &frame) == WS_MORE);
    CHECK(seen("\x82\x7e\x01", 3, &frame) == WS_MORE);
    CHECK(seen("\x82\x7e\x01\x00", 4, &frame) == WS_FRAME && frame.length == 256);
    CHECK(seen("\x89\x80\x01\x02\x03\x04", 6, &frame) == WS_BROKEN); /* masked */
    CHECK(seen("\xc2\x00", 2, &frame) == WS_BROKEN);                 /* an extension's bit */
    CHECK(seen("\x89\x7e\x00\x80", 4, &frame) == WS_BROKEN);         /* a long ping */
    CHECK(seen("\x09\x00", 2, &frame) == WS_BROKEN);                 /* a ping in parts */
}

static void an_address_of_the_autoscaler_is_a_plain_websocket(void) {
    static const char *const bad[] = {"", "ws://", "http://a:1", "wss://a:1", "ws://a",
                                      "ws://a:0", "ws://a:65536", "ws://a:1x", "ws://:1",
                                      "ws://a:1/b c", "ws://a\r\nb:1"};
    autoscaler_url url;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!autoscaler_url_read(text_of(bad[i]), &url));
    CHECK(autoscaler_url_read(TEXT("ws://autoscaler.knative-serving:8080"), &url));
    CHECK(strcmp(url.at.port, "8080") == 0 && strcmp(url.path, "/") == 0);
    CHECK(autoscaler_url_read(TEXT("ws://[::1]:80/x"), &url));
    CHECK(strcmp(url.at.host, "::1") == 0 && strcmp(url.path, "/x") == 0);
}

static void json_is_read_strictly(void) {
    static const char *const bad[] = {"", "{", "{\"a\"}", "{\"a\":1,}", "[1 2]", "{} {}", "nul",
                                      "{\"a\":1,\"a\":2}", "\"\\x\"", "\"\\u00e9\"", "\"\n\"",
                                      "\"a", "+1", ".5", "1e", "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
                                      "\"\\u0000\"", "{1:2}"};
    const char *problem;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(json_read(text_of(bad[i]), &problem) == NULL);
        CHECK(problem != NULL);
    }
    json *tree = json_read(TEXT(" {\"a\": [1, -2.5e1, true, null], \"b\\u0041\": \"x\\n\"} "),
                           &problem);
    CHECK(tree != NULL && problem == NULL);
    CHECK(json_member(tree, "a")->first->next->number == -25);
    CHECK(strcmp(json_member(tree, "bA")->string, "x\n") == 0);
    CHECK(json_member(tree, "c") == NULL);
    json_free(tree);
}

static void names_are_found_however_many_there_are(void) {
    names all = {0};
    char key[32];
    CHECK(names_find(&all, TEXT("x")) == NULL);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof key, "host-%d", i);
        CHECK(names_put(&all, text_of(key), text_of(key + 5)));
    }
    CHECK(names_put(&all, TEXT("host-7"), TEXT("again")));
    CHECK(all.count == 1000);
    CHECK(strcmp(names_find(&all, TEXT("host-999")), "999") == 0);
    CHECK(strcmp(names_find(&all, TEXT("host-7")), "again") == 0);
    CHECK(names_find(&all, TEXT("host-1000")) == NULL);
    names_free(&all);
}

static void hosts_lose_their_port_and_capitals(void) {
    knative_settings of = {.host_suffix = ".example.com"};
    revision_key key;
    CHECK(names_put(&of.hosts, TEXT("shop.example.com"), TEXT("shop/cart")));
    CHECK(recognise_host(&of, TEXT("Shop.Example.com:8080"), &key));
    CHECK(strcmp(key.text, "shop/cart") == 0);
    CHECK(recognise_host(&of, TEXT("hello-00001.default.example.com"), &key));
    CHECK(strcmp(key.text, "default/hello-00001") == 0);
    CHECK(!recognise_host(&of, TEXT("hello.example.com"), &key));
    CHECK(!recognise_host(&of, TEXT(".example.com"), &key));
    CHECK(!recognise_host(&of, TEXT("[::1]:80"), &key));
    CHECK(!recognise_host(&of, TEXT(""), &key));
    names_free(&of.hosts);
}

/* ---------------------------------------------------------------- the meter */

enum { SECOND = 1000000 };

static void the_first_request_is_told_at_once_and_then_subtracted(void) {
    wake_meter meter = {0};
    wake_report report;
    meter_arrive(&meter, 0);
    CHECK(meter_first(&meter, 1, &report) && report.concurrency == 1 && report.requests == 1);
    CHECK(!meter_first(&meter, 1, &report));
    meter_arrive(&meter, 0);
    CHECK(!meter_first(&meter, 1, &report)); /* one per revision, not per request */
    report = meter_interval(&meter, SECOND);
    CHECK(report.concurrency == 1 && report.requests == 1); /* 2 waited, 1 was told */
    report = meter_interval(&meter, 2 * SECOND);
    CHECK(report.concurrency == 2 && report.requests == 0);
}

static void the_average_counts_how_long_each_waited(void) {
    wake_meter meter = {0};
    wake_report report;
    meter_arrive(&meter, 0);
    (void)meter_first(&meter, 1, &report);
    (void)meter_interval(&meter, SECOND);
    meter_arrive(&meter, SECOND + SECOND / 2);
    report = meter_interval(&meter, 2 * SECOND);
    CHECK(report.concurrency == 1.5);
}

static void zero_is_told_once_and_then_it_starts_anew(void) {
    wake_meter meter = {0};
    wake_report report;
    meter_arrive(&meter, 0);
    (void)meter_first(&meter, 1, &report);
    meter_leave(&meter, SECOND / 2);
    CHECK(meter_interval(&meter, SECOND).concurrency == 0);
    CHECK(meter.is_running);
    CHECK(meter_interval(&meter, 2 * SECOND).concurrency == 0);
    CHECK(!meter.is_running);
    meter_arrive(&meter, 9 * SECOND);
    CHECK(meter_first(&meter, 1, &report));
}

static void a_new_connection_hears_of_who_still_waits(void) {
    wake_meter meter = {0};
    wake_report report;
    meter_arrive(&meter, 0);
    (void)meter_first(&meter, 1, &report);
    meter_renew(&meter);
    CHECK(meter_first(&meter, 1, &report));
    meter_leave(&meter, 1);
    meter_renew(&meter);
    CHECK(!meter_first(&meter, 1, &report));
}

const test_case CODEC_TESTS[] = {
    TEST(a_stat_has_the_bytes_of_protobufs_own_library),
    TEST(what_is_not_finite_or_negative_is_never_sent),
    TEST(the_longest_names_fit),
    TEST(a_key_is_two_names_of_kubernetes),
    TEST(a_name_too_long_is_no_key),
    TEST(sha1_agrees_with_the_standard),
    TEST(the_peer_must_prove_that_it_speaks_websocket),
    TEST(frames_are_masked_and_know_their_length),
    TEST(frames_of_the_server_are_read_or_refused),
    TEST(an_address_of_the_autoscaler_is_a_plain_websocket),
    TEST(json_is_read_strictly),
    TEST(names_are_found_however_many_there_are),
    TEST(hosts_lose_their_port_and_capitals),
    TEST(the_first_request_is_told_at_once_and_then_subtracted),
    TEST(the_average_counts_how_long_each_waited),
    TEST(zero_is_told_once_and_then_it_starts_anew),
    TEST(a_new_connection_hears_of_who_still_waits),
    {NULL, NULL},
};
