/* Verdicts remembered in front of ext_authz. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "../check_cache.h"
#include "check.h"
#include "fake_envoy.h"

extern void envoy_dynamic_module_on_http_filter_config_destroy(const void *);
extern int envoy_dynamic_module_on_http_filter_response_body(envoy_stream, const void *, bool);

static const text AUTHZ = {"envoy.filters.http.ext_authz", 28};

static fake_stream *ask(const void *config, const char *path, const char *user) {
    fake_stream *made = fake_open(config);
    fake_header(made, REQUEST_HEADERS, ":path", path);
    if (user != NULL)
        fake_header(made, REQUEST_HEADERS, "x-user", user);
    (void)fake_request(made);
    return made;
}

static fake_value *put(fake_stream *stream, const char *key, int kind) {
    fake_value *made = &stream->metadata[stream->metadata_count++];
    (void)snprintf(made->space, sizeof made->space, "%.*s", (int)AUTHZ.length, AUTHZ.at);
    (void)snprintf(made->key, sizeof made->key, "%s", key);
    made->kind = kind;
    return made;
}

/* As ext_authz's server says it, looking at the path and one more attribute. */
static void decide(fake_stream *stream, const char *decision, double uses, const char *looked_at) {
    strcpy(put(stream, "decision", 's')->string, decision);
    put(stream, "valid_duration_s", 'n')->number = 60;
    put(stream, "valid_use_count", 'n')->number = uses;
    strcpy(put(stream, "referenced", 'l')->string, "request.path");
    strcpy(put(stream, "referenced", 'l')->string, looked_at);
}

static bool is_hit(const fake_stream *stream) {
    for (size_t i = 0; i < stream->metadata_count; i++)
        if (strcmp(stream->metadata[i].key, "need_check") == 0)
            return strcmp(stream->metadata[i].string, "no") == 0;
    return false;
}

static bool asks_and_hits(const void *config, const char *path, const char *user) {
    fake_stream *stream = ask(config, path, user);
    bool hit = is_hit(stream);
    fake_close(stream);
    return hit;
}

static const void *learned(const char *settings, double uses, const char *looked_at) {
    const void *config = fake_config("remixer_check_cache", settings);
    CHECK(config != NULL);
    fake_stream *stream = ask(config, "/a", "ann");
    CHECK(!is_hit(stream));
    decide(stream, "allow", uses, looked_at);
    (void)fake_respond(stream, "200");
    fake_close(stream);
    return config;
}

static void an_allowed_request_is_not_asked_about_again(void) {
    const void *config = learned("{}", -1, "request.headers[\"x-user\"]");
    CHECK(asks_and_hits(config, "/a", "ann"));
    CHECK(!asks_and_hits(config, "/b", "ann"));
    CHECK(!asks_and_hits(config, "/a", "bob"));
    CHECK(!asks_and_hits(config, "/a", NULL)); /* absent is not empty */
    CHECK(!asks_and_hits(config, "/a", ""));
    CHECK(fake_counter("remixer_check_cache.hits") == 1);
    envoy_dynamic_module_on_http_filter_config_destroy(config);
}

static void uses_are_counted(void) {
    const void *config = learned("{}", 2, "request.method");
    CHECK(asks_and_hits(config, "/a", "ann") && asks_and_hits(config, "/a", "bob"));
    CHECK(!asks_and_hits(config, "/a", "ann"));
    envoy_dynamic_module_on_http_filter_config_destroy(config);
}

static void without_uses_nothing_is_kept(void) {
    const void *config = learned("{}", 0, "request.method");
    CHECK(!asks_and_hits(config, "/a", "ann"));
    envoy_dynamic_module_on_http_filter_config_destroy(config);
}

static void what_depends_on_the_unknown_is_not_kept_unless_it_is_explained(void) {
    const void *config = learned("{}", -1, "request.time");
    CHECK(!asks_and_hits(config, "/a", "ann"));
    envoy_dynamic_module_on_http_filter_config_destroy(config);
    config = learned("{}", -1, "request.headers"); /* all of them */
    CHECK(!asks_and_hits(config, "/a", "ann"));
    envoy_dynamic_module_on_http_filter_config_destroy(config);
    config = learned("{\"attributes\": {\"destination.namespace\": \"\"}}", -1,
                     "destination.namespace");
    CHECK(asks_and_hits(config, "/a", "ann"));
    envoy_dynamic_module_on_http_filter_config_destroy(config);
}

static void headers_of_the_operator_are_part_of_every_key(void) {
    const void *config = learned("{\"key_headers\": [\"x-user\"]}", -1, "request.method");
    CHECK(asks_and_hits(config, "/a", "ann"));
    CHECK(!asks_and_hits(config, "/a", "bob"));
    envoy_dynamic_module_on_http_filter_config_destroy(config);
}

static void a_denied_request_gets_the_same_answer_again(void) {
    const void *config = fake_config("remixer_check_cache", "");
    fake_stream *stream = ask(config, "/a", "ann");
    decide(stream, "deny", -1, "request.method");
    fake_header(stream, RESPONSE_HEADERS, "content-type", "text/plain");
    (void)fake_respond(stream, "403");
    strcpy(stream->body, "not today");
    (void)envoy_dynamic_module_on_http_filter_response_body(stream, stream->filter, true);
    fake_close(stream);
    stream = ask(config, "/a", "bob");
    CHECK(stream->status == 403 && strcmp(stream->sent_body, "not today") == 0);
    CHECK(strcmp(stream->sent_headers, "content-type=text/plain;") == 0);
    fake_close(stream);
    envoy_dynamic_module_on_http_filter_config_destroy(config);
}

static void a_denial_cut_short_is_not_kept(void) {
    const void *config = fake_config("remixer_check_cache", "");
    fake_stream *stream = ask(config, "/a", "ann");
    decide(stream, "deny", -1, "request.method");
    (void)fake_respond(stream, "403");
    fake_close(stream);
    CHECK(!asks_and_hits(config, "/a", "ann"));
    envoy_dynamic_module_on_http_filter_config_destroy(config);
}

static void an_answer_without_metadata_is_not_kept(void) {
    const void *config = fake_config("remixer_check_cache", "");
    fake_stream *stream = ask(config, "/a", "ann");
    (void)fake_respond(stream, "200");
    fake_close(stream);
    CHECK(!asks_and_hits(config, "/a", "ann"));
    envoy_dynamic_module_on_http_filter_config_destroy(config);
}

static void answers_without_a_place_are_counted(void) {
    const void *config = fake_config("remixer_check_cache", "");
    char attribute[64];
    uint64_t before = fake_counter("remixer_check_cache.stored");
    uint64_t unkept_before = fake_counter("remixer_check_cache.unkept");
    for (int i = 0; i <= MOST_SHAPES; i++) {
        (void)snprintf(attribute, sizeof attribute, "request.headers[\"x-%d\"]", i);
        fake_stream *stream = ask(config, "/never the same", "ann");
        decide(stream, "allow", 1, attribute);
        (void)fake_respond(stream, "200");
        fake_close(stream);
        CHECK(asks_and_hits(config, "/never the same", "ann") == (i < MOST_SHAPES));
    }
    CHECK(fake_counter("remixer_check_cache.stored") - before == MOST_SHAPES);
    CHECK(fake_counter("remixer_check_cache.unkept") - unkept_before == 1);
    envoy_dynamic_module_on_http_filter_config_destroy(config);
}

static void a_verdict_ends_and_the_table_stays_bounded(void) {
    check_cache cache;
    check_shape shape = {0};
    CHECK(check_cache_open(&cache, 64) && shape_add(&shape, TEXT(":path")));
    check_request request = {.count = 1, .headers = {{TEXT(":path"), TEXT("")}}};
    char path[32];
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(path, sizeof path, "/%d", i);
        request.headers[0].value = text_of(path);
        CHECK(check_cache_put(
            &cache, &shape, &request,
            (check_verdict){.is_allowed = true, .until_us = 100 + i, .uses_left = -1}, i));
    }
    size_t used = 0;
    for (size_t i = 0; i < cache.set_count * 4; i++)
        used += cache.entries[i].key != NULL;
    CHECK(used <= 64);
    CHECK(check_cache_find(&cache, &request, 100 + 9998) != NULL);
    CHECK(check_cache_find(&cache, &request, 100 + 9999) == NULL);
    check_cache_close(&cache);
}

static const check_request BY_NOBODY = {.count = 0};
static const check_verdict FOR_EVER = {
    .is_allowed = true, .until_us = INT64_MAX, .uses_left = -1};

static check_shape numbered_shape(int number) {
    char name[32];
    check_shape shape = {0};
    (void)snprintf(name, sizeof name, "x-%d", number);
    CHECK(shape_add(&shape, text_of(name)));
    return shape;
}

static bool is_kept(check_cache *cache, int number, int64_t now_us) {
    check_shape shape = numbered_shape(number);
    return check_cache_put(cache, &shape, &BY_NOBODY, FOR_EVER, now_us);
}

static size_t entries_of(const check_cache *cache, unsigned char number) {
    size_t found = 0;
    for (size_t i = 0; i < cache->set_count * 4; i++)
        found += cache->entries[i].key != NULL && cache->entries[i].key[0] == number;
    return found;
}

static void a_shape_that_rests_makes_room_for_a_new_one(void) {
    const int64_t minute_us = 60000000, begin_us = 3 * minute_us;
    check_cache cache;
    CHECK(check_cache_open(&cache, 64));
    for (int i = 0; i < MOST_SHAPES; i++)
        CHECK(is_kept(&cache, i, begin_us + i));
    CHECK(!is_kept(&cache, 100, begin_us + minute_us - 1)); /* all are in use */
    CHECK(is_kept(&cache, 0, begin_us + minute_us - 1));
    CHECK(is_kept(&cache, 100, begin_us + minute_us + 1)); /* in place of the second */
    CHECK(shape_equal(&cache.shapes[1], &(check_shape){.names = {"x-100"}, .count = 1}));
    CHECK(entries_of(&cache, 0) == 1 && entries_of(&cache, 1) == 1);
    CHECK(!is_kept(&cache, 101, begin_us + minute_us + 1));
    check_cache_close(&cache);
}

static void what_is_hit_does_not_rest(void) {
    check_cache cache;
    CHECK(check_cache_open(&cache, 64));
    for (int i = 0; i < MOST_SHAPES; i++)
        CHECK(is_kept(&cache, i, i));
    /* The first of them answers a request without headers. */
    CHECK(check_cache_find(&cache, &BY_NOBODY, 70000000) != NULL);
    CHECK(is_kept(&cache, 100, 70000001));
    CHECK(shape_equal(&cache.shapes[0], &(check_shape){.names = {"x-0"}, .count = 1}));
    check_cache_close(&cache);
}

static void a_denial_takes_the_room_of_its_text(void) {
    check_cache cache;
    check_shape shape = numbered_shape(0);
    check_verdict denial = {.body = malloc(MOST_DENIAL_BYTES), .body_length = 5, .until_us = 9};
    CHECK(check_cache_open(&cache, 64) && denial.body != NULL);
    memcpy(denial.body, "sorry", 5);
    denial.uses_left = -1;
    CHECK(check_cache_put(&cache, &shape, &BY_NOBODY, denial, 0));
    const check_verdict *found = check_cache_find(&cache, &BY_NOBODY, 1);
    CHECK(found != NULL && malloc_usable_size(found->body) < 64);
    CHECK(memcmp(found->body, "sorry", found->body_length) == 0);
    denial = (check_verdict){.body = malloc(MOST_DENIAL_BYTES), .until_us = 9, .uses_left = -1};
    CHECK(check_cache_put(&cache, &shape, &BY_NOBODY, denial, 0));
    CHECK(check_cache_find(&cache, &BY_NOBODY, 1)->body == NULL);
    check_cache_close(&cache);
}

static void a_key_has_a_longest_length(void) {
    static unsigned char key[MOST_KEY_BYTES];
    static char value[MOST_KEY_BYTES];
    check_shape shape = {0};
    CHECK(shape_add(&shape, TEXT(":path")));
    check_request request = {.count = 1, .headers = {{TEXT(":path"), {value, 0}}}};
    request.headers[0].value.length = MOST_KEY_BYTES - 9;
    CHECK(check_key(&shape, 0, &request, key) == MOST_KEY_BYTES);
    request.headers[0].value.length++;
    CHECK(check_key(&shape, 0, &request, key) == 0);
}

static void repeated_headers_and_their_borders_count(void) {
    unsigned char one[MOST_KEY_BYTES], two[MOST_KEY_BYTES];
    check_shape shape = {0};
    CHECK(shape_add(&shape, TEXT("a")));
    check_request joined = {.count = 1, .headers = {{TEXT("a"), TEXT("xy")}}};
    check_request apart = {.count = 2,
                           .headers = {{TEXT("a"), TEXT("x")}, {TEXT("a"), TEXT("y")}}};
    size_t length = check_key(&shape, 0, &joined, one);
    CHECK(check_key(&shape, 0, &apart, two) != length || memcmp(one, two, length) != 0);
}

const test_case CACHE_TESTS[] = {
    TEST(an_allowed_request_is_not_asked_about_again),
    TEST(uses_are_counted),
    TEST(without_uses_nothing_is_kept),
    TEST(what_depends_on_the_unknown_is_not_kept_unless_it_is_explained),
    TEST(headers_of_the_operator_are_part_of_every_key),
    TEST(a_denied_request_gets_the_same_answer_again),
    TEST(a_denial_cut_short_is_not_kept),
    TEST(an_answer_without_metadata_is_not_kept),
    TEST(answers_without_a_place_are_counted),
    TEST(a_verdict_ends_and_the_table_stays_bounded),
    TEST(a_shape_that_rests_makes_room_for_a_new_one),
    TEST(what_is_hit_does_not_rest),
    TEST(a_denial_takes_the_room_of_its_text),
    TEST(a_key_has_a_longest_length),
    TEST(repeated_headers_and_their_borders_count),
    {NULL, NULL},
};
