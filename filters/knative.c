#include "knative.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "complaints.h"

static void define_metrics(knative *of) {
    static const char *const counters[COUNT_KINDS] = {
        [COUNT_WOKEN] = "remixer_knative.revisions_woken",
        [COUNT_STATS] = "remixer_knative.stats_sent",
        [COUNT_HELD] = "remixer_knative.requests_held",
        [COUNT_RELEASED] = "remixer_knative.requests_released",
        [COUNT_TIMED_OUT] = "remixer_knative.requests_timed_out",
        [COUNT_REFUSED] = "remixer_knative.requests_refused",
        [COUNT_CANCELLED] = "remixer_knative.requests_cancelled",
        [COUNT_UNKNOWN] = "remixer_knative.revisions_unknown",
        [COUNT_UNRECOGNISED] = "remixer_knative.requests_unrecognised",
        [COUNT_CONNECTS] = "remixer_knative.autoscaler_connects",
        [COUNT_PROBES] = "remixer_knative.probes",
    };
    static const char *const gauges[GAUGE_KINDS] = {
        [GAUGE_HELD] = "remixer_knative.requests_held_now",
        [GAUGE_CONNECTED] = "remixer_knative.autoscaler_connected",
    };
    for (int i = 0; i < COUNT_KINDS; i++)
        (void)envoy_dynamic_module_callback_http_filter_config_define_counter(
            of->envoy, text_of(counters[i]), NULL, 0, &of->counter_ids[i]);
    for (int i = 0; i < GAUGE_KINDS; i++)
        (void)envoy_dynamic_module_callback_http_filter_config_define_gauge(
            of->envoy, text_of(gauges[i]), NULL, 0, &of->gauge_ids[i]);
}

void knative_add(const knative *of, knative_count kind, uint64_t by) {
    if (by > 0)
        (void)envoy_dynamic_module_callback_http_filter_config_increment_counter(
            of->envoy, of->counter_ids[kind], NULL, 0, by);
}

void knative_set(const knative *of, knative_gauge kind, uint64_t value) {
    (void)envoy_dynamic_module_callback_http_filter_config_set_gauge(
        of->envoy, of->gauge_ids[kind], NULL, 0, value);
}

void thread_ring(const wake_thread *thread) {
    uint64_t one = 1;
    /* Fails only if it rings already, 2^64 times. */
    if (write(thread->bell, &one, sizeof one) < 0)
        return;
}

void thread_heard(const wake_thread *thread) {
    uint64_t rings;
    if (read(thread->bell, &rings, sizeof rings) < 0)
        return;
}

static bool thread_start(wake_thread *thread, void *(*run)(void *), knative *of) {
    sigset_t all, before;
    thread->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (thread->bell < 0)
        return false;
    /* Signals are Envoy's: none is delivered to a thread of ours. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread->is_running = pthread_create(&thread->id, NULL, run, of) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return thread->is_running;
}

static void thread_end(wake_thread *thread) {
    if (thread->is_running) {
        thread_ring(thread);
        pthread_join(thread->id, NULL);
    }
    if (thread->bell >= 0)
        close(thread->bell);
}

knative *knative_new(envoy_config envoy, text settings) {
    knative *made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    made->envoy = envoy;
    made->reporter.bell = made->holder.bell = -1;
    bool is_good = knative_settings_read(settings, &made->settings, &made->revisions);
    if (is_good && !envoy_dynamic_module_callback_is_validation_mode()) {
        define_metrics(made);
        made->telling = reporter_new(made);
        is_good = made->telling != NULL && thread_start(&made->reporter, reporter_run, made) &&
                  thread_start(&made->holder, holder_run, made);
        if (!is_good)
            tell(LOG_ERROR, "remixer_knative: the system gives no thread or no memory");
    }
    if (is_good)
        return made;
    knative_free(made);
    return NULL;
}

void knative_free(knative *of) {
    atomic_store(&of->is_ending, true);
    thread_end(&of->reporter);
    thread_end(&of->holder);
    reporter_free(of->telling);
    revisions_close(&of->revisions);
    knative_settings_free(&of->settings);
    free(of);
}
