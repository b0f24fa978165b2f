#include "autoscaler_link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "complaints.h"

/* All as Knative's own sender has them. */
enum {
    HANDSHAKE_US = 3000000,
    PING_US = 3330000,
    SILENCE_US = 10000000,
    FIRST_WAIT_US = 100000,
    MOST_TRIES = 20 /* then the waits begin anew */
};
static const double WAIT_GROWTH = 1.3, WAIT_JITTER = 0.5;
enum { IN_ROOM = 4096, OUT_ROOM = 256 * 1024 };

bool link_open(autoscaler_link *link, const autoscaler_url *url) {
    *link = (autoscaler_link){.url = url, .stage = LINK_DOWN, .socket = -1};
    link->in = malloc(IN_ROOM);
    link->out = malloc(OUT_ROOM);
    return link->in != NULL && link->out != NULL;
}

static void drop_socket(autoscaler_link *link) {
    /* Dropped without a close frame: the autoscaler logs a clean close as an error, and would
     * keep its side open until ours is gone. Source: knative.dev/pkg, websocket. */
    if (link->socket >= 0)
        close(link->socket);
    link->socket = -1;
    link->in_length = link->out_length = 0;
    link->skip = 0;
    link->stage = LINK_DOWN;
}

void link_close(autoscaler_link *link) {
    drop_socket(link);
    free(link->in);
    free(link->out);
    link->in = link->out = NULL;
}

static void fail(autoscaler_link *link, int64_t now_us, const char *cause) {
    bool was_up = link->stage == LINK_UP;
    drop_socket(link);
    if (strcmp(cause, link->cause) != 0)
        tell(LOG_WARN, "remixer_knative: no connection to the autoscaler at %s: %s; trying again",
             link->url->host, cause);
    (void)snprintf(link->cause, sizeof link->cause, "%s", cause);
    if (was_up) {
        link->tries = 0;
        link->due_us = now_us;
        return;
    }
    double wait_us = FIRST_WAIT_US;
    for (int i = 0; i < link->tries; i++)
        wait_us *= WAIT_GROWTH;
    link->due_us = now_us + (int64_t)(wait_us * (1 + WAIT_JITTER * random_share()));
    link->tries = (link->tries + 1) % MOST_TRIES;
}

static void start(autoscaler_link *link, int64_t now_us) {
    endpoint_found found;
    bool is_found = endpoint_find(&link->url->at, &found);
    link->socket = is_found ? endpoint_connect(&found) : -1;
    if (link->socket < 0) {
        fail(link, now_us, is_found ? "refused the connection" : "its name is not known");
        return;
    }
    link->stage = LINK_CONNECTING;
    link->due_us = now_us + HANDSHAKE_US;
}

static void flush(autoscaler_link *link, int64_t now_us) {
    size_t sent = 0;
    while (sent < link->out_length) {
        ssize_t wrote =
            send(link->socket, link->out + sent, link->out_length - sent, MSG_NOSIGNAL);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
            fail(link, now_us, "broke while sending");
            return;
        }
        if (wrote <= 0)
            break;
        sent += (size_t)wrote;
    }
    link->out_length -= sent;
    memmove(link->out, link->out + sent, link->out_length);
}

static void ask_upgrade(autoscaler_link *link, int64_t now_us) {
    unsigned char nonce[WS_NONCE];
    if (!endpoint_is_connected(link->socket)) {
        fail(link, now_us, "refused the connection");
        return;
    }
    random_bytes(nonce, sizeof nonce);
    ws_key(nonce, link->key);
    link->out_length = ws_request((char *)link->out, OUT_ROOM, text_of(link->url->host),
                                  text_of(link->url->path), link->key);
    link->stage = LINK_UPGRADING;
    flush(link, now_us);
}

static bool send_frame(autoscaler_link *link, int64_t now_us, enum ws_opcode opcode,
                       const void *payload, size_t length) {
    unsigned char mask[4];
    if (OUT_ROOM - link->out_length < length + WS_LARGEST_HEADER) {
        fail(link, now_us, "does not read what is sent");
        return false;
    }
    random_bytes(mask, sizeof mask);
    link->out_length += ws_write(link->out + link->out_length, opcode, payload, length, mask);
    flush(link, now_us);
    return link->stage == LINK_UP;
}

static void forget_in(autoscaler_link *link, size_t used) {
    link->in_length -= used;
    memmove(link->in, link->in + used, link->in_length);
}

static void read_reply(autoscaler_link *link, int64_t now_us) {
    size_t used = 0;
    int status = 0;
    text came = {(const char *)link->in, link->in_length};
    ws_reply reply = ws_read_reply(came, link->key, &used, &status);
    if (reply == WS_INCOMPLETE && link->in_length < IN_ROOM)
        return;
    if (reply != WS_ACCEPTED) {
        char cause[96];
        (void)snprintf(cause, sizeof cause, "answered %d, not as a websocket does", status);
        fail(link, now_us, cause);
        return;
    }
    forget_in(link, used);
    link->stage = LINK_UP;
    link->tries = 0;
    link->ups++;
    link->due_us = now_us + SILENCE_US;
    link->ping_us = now_us + PING_US;
    link->cause[0] = '\0';
    tell(LOG_INFO, "remixer_knative: connected to the autoscaler at %s", link->url->host);
}

static void hear(autoscaler_link *link, int64_t now_us, const ws_frame *frame) {
    if (frame->opcode == WS_PING) {
        (void)send_frame(link, now_us, WS_PONG, frame->payload.at, frame->payload.length);
    } else if (frame->opcode == WS_PONG) {
        link->due_us = now_us + SILENCE_US;
    } else if (frame->opcode == WS_CLOSE) {
        char cause[96];
        (void)snprintf(cause, sizeof cause, "closed by it with code %d", ws_close_code(frame));
        fail(link, now_us, cause);
    }
}

static void read_frames(autoscaler_link *link, int64_t now_us) {
    while (link->stage == LINK_UP) {
        size_t skipped = link->skip < link->in_length ? (size_t)link->skip : link->in_length;
        forget_in(link, skipped);
        link->skip -= skipped;
        ws_frame frame;
        ws_seen seen = ws_read((text){(const char *)link->in, link->in_length}, &frame);
        if (seen == WS_MORE)
            return;
        if (seen == WS_BROKEN) {
            fail(link, now_us, "broke the protocol");
            return;
        }
        size_t used = frame.head_bytes + frame.payload.length;
        if (frame.opcode < WS_CLOSE)
            link->skip = frame.length;
        hear(link, now_us, &frame);
        if (link->stage == LINK_UP)
            forget_in(link, used);
    }
}

static void take_in(autoscaler_link *link, int64_t now_us) {
    ssize_t got = recv(link->socket, link->in + link->in_length, IN_ROOM - link->in_length, 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (got <= 0) {
        fail(link, now_us, got == 0 ? "closed by it" : "broke while reading");
        return;
    }
    link->in_length += (size_t)got;
    if (link->stage == LINK_UPGRADING)
        read_reply(link, now_us);
    read_frames(link, now_us);
}

void link_step(autoscaler_link *link, int64_t now_us, bool is_ready) {
    if (link->stage == LINK_DOWN) {
        if (now_us >= link->due_us)
            start(link, now_us);
        return;
    }
    if (is_ready && link->stage == LINK_CONNECTING)
        ask_upgrade(link, now_us);
    else if (is_ready) {
        if (link->out_length > 0)
            flush(link, now_us);
        if (link->stage != LINK_DOWN)
            take_in(link, now_us);
    }
    if (link->stage == LINK_UP && now_us >= link->ping_us) {
        link->ping_us = now_us + PING_US;
        (void)send_frame(link, now_us, WS_PING, "", 0);
    }
    if (link->stage != LINK_DOWN && now_us >= link->due_us)
        fail(link, now_us, "did not answer in time");
}

short link_events(const autoscaler_link *link) {
    if (link->stage == LINK_DOWN)
        return 0;
    bool writes = link->stage == LINK_CONNECTING || link->out_length > 0;
    return (short)(POLLIN | (writes ? POLLOUT : 0));
}

int64_t link_due_us(const autoscaler_link *link) {
    bool pings = link->stage == LINK_UP && link->ping_us < link->due_us;
    return pings ? link->ping_us : link->due_us;
}

bool link_send(autoscaler_link *link, int64_t now_us, const void *payload, size_t length) {
    return link->stage == LINK_UP && send_frame(link, now_us, WS_BINARY, payload, length);
}

bool autoscaler_url_read(text value, autoscaler_url *to) {
    static const text scheme = {"ws://", 5};
    if (!text_starts(value, scheme))
        return false;
    text rest = {value.at + scheme.length, value.length - scheme.length};
    const char *slash = rest.length == 0 ? NULL : memchr(rest.at, '/', rest.length);
    text host = {rest.at, slash == NULL ? rest.length : (size_t)(slash - rest.at)};
    text path = slash == NULL ? TEXT("/")
                              : (text){slash, rest.length - host.length};
    if (host.length > LONGEST_ENDPOINT || path.length > LONGEST_PATH)
        return false;
    for (size_t i = 0; i < rest.length; i++)
        if ((unsigned char)rest.at[i] <= ' ')
            return false;
    memcpy(to->host, host.at, host.length);
    to->host[host.length] = '\0';
    memcpy(to->path, path.at, path.length);
    to->path[path.length] = '\0';
    return endpoint_read(host, &to->at);
}
