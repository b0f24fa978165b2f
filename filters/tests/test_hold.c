/* Requests that are held, and everything that can end that. */
#include <string.h>

#include "scene.h"

static void a_held_request_goes_on_when_the_pod_answers(void) {
    scene it = scene_open("hold", "probe", "");
    fake_stream *stream = scene_stream(&it, "hello");
    CHECK(fake_request(stream) == HEADERS_STOP_ALL_AND_WATERMARK);
    CHECK(autoscaler_accept(&it.autoscaler) && scene_hears_of(&it, "hello"));
    CHECK(stream->continued == 0);
    pod_wake(&it.pod);
    CHECK(fake_run_until(&stream->continued, 1));
    CHECK(fake_run_until_counter("remixer_knative.requests_released", 1));
    fake_close(stream);
    scene_close(&it);
}

static void one_answer_releases_all(void) {
    enum { MANY = 50 };
    scene it = scene_open("hold", "probe", "");
    fake_stream *streams[MANY];
    for (int i = 0; i < MANY; i++) {
        streams[i] = scene_stream(&it, "hello");
        CHECK(fake_request(streams[i]) == HEADERS_STOP_ALL_AND_WATERMARK);
    }
    pod_wake(&it.pod);
    for (int i = 0; i < MANY; i++)
        CHECK(fake_run_until(&streams[i]->continued, 1));
    /* Awake from now on: nobody waits. */
    fake_stream *next = scene_stream(&it, "hello");
    CHECK(fake_request(next) == HEADERS_CONTINUE);
    fake_close(next);
    for (int i = 0; i < MANY; i++)
        fake_close(streams[i]);
    scene_close(&it);
}

static void the_deadline_is_a_503_that_says_why(void) {
    scene it = scene_open("hold", "probe", "\"hold\": {\"deadline_s\": 0.05, \"retry_after_s\": 7}");
    fake_stream *stream = scene_stream(&it, "hello");
    CHECK(fake_request(stream) == HEADERS_STOP_ALL_AND_WATERMARK);
    CHECK(fake_run_until(&stream->status, 503));
    CHECK(stream->continued == 0);
    CHECK(strcmp(stream->details, "remixer_knative_not_ready") == 0);
    CHECK(strstr(stream->sent_headers, "retry-after=7;") != NULL);
    CHECK(strstr(stream->sent_headers, "x-remixer-cause=not-ready;") != NULL);
    CHECK(fake_run_until_counter("remixer_knative.requests_timed_out", 1));
    fake_close(stream);
    scene_close(&it);
}

static void more_than_may_be_held_are_refused(void) {
    scene it = scene_open("hold", "probe", "\"hold\": {\"max_requests\": 1}");
    fake_stream *first = scene_stream(&it, "hello"), *second = scene_stream(&it, "hello");
    CHECK(fake_request(first) == HEADERS_STOP_ALL_AND_WATERMARK);
    CHECK(fake_request(second) == HEADERS_STOP);
    CHECK(second->status == 503);
    CHECK(strcmp(second->details, "remixer_knative_room_full") == 0);
    fake_close(first);
    /* There is room again. */
    fake_stream *third = scene_stream(&it, "hello");
    CHECK(fake_request(third) == HEADERS_STOP_ALL_AND_WATERMARK);
    fake_close(second);
    fake_close(third);
    scene_close(&it);
}

static void more_bytes_than_may_be_held_are_refused(void) {
    scene it = scene_open("hold", "probe", "\"hold\": {\"max_bytes\": 1024}");
    fake_stream *stream = scene_stream(&it, "hello");
    char value[250];
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (int i = 0; i < 4; i++)
        fake_header(stream, REQUEST_HEADERS, "x-large", value);
    CHECK(fake_request(stream) == HEADERS_STOP && stream->status == 503);
    CHECK(strcmp(stream->details, "remixer_knative_bytes_full") == 0);
    fake_close(stream);
    scene_close(&it);
}

static void a_client_that_leaves_takes_its_place_along(void) {
    scene it = scene_open("hold", "probe", "");
    fake_stream *first = scene_stream(&it, "hello"), *second = scene_stream(&it, "hello");
    CHECK(fake_request(first) == HEADERS_STOP_ALL_AND_WATERMARK);
    CHECK(fake_request(second) == HEADERS_STOP_ALL_AND_WATERMARK);
    fake_close(first);
    CHECK(fake_counter("remixer_knative.requests_cancelled") == 1);
    pod_wake(&it.pod);
    CHECK(fake_run_until(&second->continued, 1));
    fake_close(second);
    scene_close(&it);
}

static void a_client_may_leave_between_release_and_its_turn(void) {
    scene it = scene_open("hold", "probe", "");
    fake_stream *stream = scene_stream(&it, "hello");
    CHECK(fake_request(stream) == HEADERS_STOP_ALL_AND_WATERMARK);
    pod_wake(&it.pod);
    CHECK(fake_wait_for_counter("remixer_knative.requests_released", 1));
    CHECK(stream->continued == 0);
    fake_close(stream);
    scene_close(&it);
}

static void clients_may_come_and_go_while_waits_end(void) {
    enum { ROUNDS = 300 };
    scene it = scene_open("hold", "probe", "\"hold\": {\"deadline_s\": 0.002}, \"awake_s\": 0.001");
    for (int i = 0; i < ROUNDS; i++) {
        fake_stream *one = scene_stream(&it, "hello"), *two = scene_stream(&it, "hello");
        (void)fake_request(one);
        (void)fake_request(two);
        if (i == ROUNDS / 2)
            pod_wake(&it.pod);
        fake_close(one);
        if (i % 3 == 0)
            fake_run_for_ms(1);
        fake_close(two);
    }
    scene_close(&it);
}

static void without_probes_one_goes_ahead_and_its_answer_releases_the_rest(void) {
    scene it = scene_open("hold", "response", "");
    fake_stream *scout = scene_stream(&it, "hello"), *second = scene_stream(&it, "hello");
    CHECK(fake_request(scout) == HEADERS_CONTINUE);
    CHECK(fake_request(second) == HEADERS_STOP_ALL_AND_WATERMARK);
    CHECK(fake_respond(scout, "200") == HEADERS_CONTINUE);
    CHECK(fake_run_until(&second->continued, 1));
    fake_close(scout);
    fake_close(second);
    scene_close(&it);
}

static void a_scout_that_fails_or_leaves_is_followed_by_the_next(void) {
    scene it = scene_open("hold", "response", "");
    fake_stream *streams[3];
    for (int i = 0; i < 3; i++) {
        streams[i] = scene_stream(&it, "hello");
        (void)fake_request(streams[i]);
    }
    (void)fake_respond(streams[0], "503");
    CHECK(fake_run_until(&streams[1]->continued, 1));
    CHECK(streams[2]->continued == 0);
    fake_close(streams[1]);
    CHECK(fake_run_until(&streams[2]->continued, 1));
    (void)fake_respond(streams[2], "200");
    fake_stream *next = scene_stream(&it, "hello");
    CHECK(fake_request(next) == HEADERS_CONTINUE);
    fake_close(next);
    fake_close(streams[0]);
    fake_close(streams[2]);
    scene_close(&it);
}

static void the_end_of_the_configuration_ends_its_threads(void) {
    scene it = scene_open("hold", "probe", "");
    scene_close(&it);
}

const test_case HOLD_TESTS[] = {
    TEST(a_held_request_goes_on_when_the_pod_answers),
    TEST(one_answer_releases_all),
    TEST(the_deadline_is_a_503_that_says_why),
    TEST(more_than_may_be_held_are_refused),
    TEST(more_bytes_than_may_be_held_are_refused),
    TEST(a_client_that_leaves_takes_its_place_along),
    TEST(a_client_may_leave_between_release_and_its_turn),
    TEST(clients_may_come_and_go_while_waits_end),
    TEST(without_probes_one_goes_ahead_and_its_answer_releases_the_rest),
    TEST(a_scout_that_fails_or_leaves_is_followed_by_the_next),
    TEST(the_end_of_the_configuration_ends_its_threads),
    {NULL, NULL},
};
