#include "probe.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { SHARE_OF_WAIT = 2000, STATUS_AT = 9, STATUS_END = 12, FOUND_FOR_US = 1000000 };

void probe_begin(probe *of, const endpoint *at, int64_t now_us) {
    *of = (probe){.at = at, .socket = -1, .began_us = now_us, .due_us = now_us};
}

void probe_end(probe *of) {
    if (of->socket >= 0)
        close(of->socket);
    of->socket = -1;
}

static void again(probe *of, const probe_plan *plan, int64_t now_us) {
    int64_t pause_us = (now_us - of->began_us) / SHARE_OF_WAIT;
    probe_end(of);
    if (pause_us > plan->longest_interval_us)
        pause_us = plan->longest_interval_us;
    if (pause_us < plan->interval_us)
        pause_us = plan->interval_us;
    if (pause_us < plan->least_pause_us)
        pause_us = plan->least_pause_us;
    of->stage = PROBE_WAITING;
    of->due_us = now_us + pause_us;
    of->came = 0;
    of->tries++;
}

/* Its socket is closed by `probe_end`: who is released must not wait for that. */
static void ready(probe *of) {
    of->stage = PROBE_READY;
    of->tries++;
}

static void ask(probe *of, const probe_plan *plan, int64_t now_us) {
    char request[512 + LONGEST_HOST];
    if (!endpoint_is_connected(of->socket)) {
        again(of, plan, now_us);
        return;
    }
    if (plan->path[0] == '\0') {
        ready(of);
        return;
    }
    /* Knative's queue-proxy answers this header itself, once its container is ready. */
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: remixer-probe\r\n"
                          "K-Network-Probe: queue\r\nConnection: close\r\n\r\n",
                          plan->path, of->at->host);
    if (send(of->socket, request, (size_t)length, MSG_NOSIGNAL) != length)
        again(of, plan, now_us);
    else
        of->stage = PROBE_ASKING;
}

static void hear(probe *of, const probe_plan *plan, int64_t now_us) {
    ssize_t got = recv(of->socket, of->answer + of->came, sizeof of->answer - of->came, 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (got > 0)
        of->came += (size_t)got;
    if (of->came >= STATUS_END && memcmp(of->answer, "HTTP/1.", 7) == 0 &&
        of->answer[STATUS_AT] == '2')
        ready(of);
    else if (got <= 0 || of->came >= STATUS_END)
        again(of, plan, now_us);
}

static void start(probe *of, const probe_plan *plan, int64_t now_us) {
    /* A Service without a cluster IP gets its addresses only once there are pods. */
    if (of->found.length == 0 || now_us - of->found_us > FOUND_FOR_US) {
        (void)endpoint_find(of->at, &of->found);
        of->found_us = now_us;
    }
    of->socket = of->found.length == 0 ? -1 : endpoint_connect(&of->found);
    of->stage = PROBE_CONNECTING;
    of->due_us = now_us + plan->timeout_us;
    if (of->socket < 0)
        again(of, plan, now_us);
}

void probe_step(probe *of, const probe_plan *plan, int64_t now_us, bool is_ready) {
    if (of->stage == PROBE_WAITING && now_us >= of->due_us) {
        start(of, plan, now_us);
    } else if (of->stage == PROBE_CONNECTING && is_ready) {
        ask(of, plan, now_us);
    } else if (of->stage == PROBE_ASKING && is_ready) {
        hear(of, plan, now_us);
    } else if (of->stage != PROBE_WAITING && of->stage != PROBE_READY && now_us >= of->due_us) {
        again(of, plan, now_us);
    }
}

short probe_events(const probe *of) {
    if (of->socket < 0)
        return 0;
    return of->stage == PROBE_CONNECTING ? POLLOUT : POLLIN;
}
