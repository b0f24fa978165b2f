#include "fake_peers.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../sha1.h"

enum { WITHIN_MS = 60000 }; /* only reached by what never comes */

static int bound_socket(int *port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0 || bind(made, (struct sockaddr *)&at, sizeof at) != 0 ||
        getsockname(made, (struct sockaddr *)&at, &length) != 0)
        abort();
    *port = ntohs(at.sin_port);
    return made;
}

fake_pod pod_asleep(void) {
    fake_pod made;
    made.socket = bound_socket(&made.port); /* bound and not listening: refused, and kept */
    return made;
}
void pod_wake(fake_pod *pod) {
    if (listen(pod->socket, 64) != 0)
        abort();
}
void pod_end(fake_pod *pod) { close(pod->socket); }

fake_autoscaler autoscaler_start(void) {
    fake_autoscaler made = {.peer = -1};
    made.listener = bound_socket(&made.port);
    if (listen(made.listener, 4) != 0)
        abort();
    return made;
}

static bool is_readable(int socket) {
    struct pollfd end = {.fd = socket, .events = POLLIN};
    return poll(&end, 1, WITHIN_MS) > 0;
}

static bool read_request(fake_autoscaler *of, char *to, size_t room) {
    size_t came = 0;
    autoscaler_hang_up(of);
    if (!is_readable(of->listener))
        return false;
    of->peer = accept(of->listener, NULL, NULL);
    to[0] = '\0';
    while (strstr(to, "\r\n\r\n") == NULL && is_readable(of->peer)) {
        ssize_t got = recv(of->peer, to + came, room - came - 1, 0);
        if (got <= 0)
            return false;
        came += (size_t)got;
        to[came] = '\0';
    }
    return came > 0;
}

bool autoscaler_answer(fake_autoscaler *of, const char *answer) {
    char request[2048];
    if (!read_request(of, request, sizeof request))
        return false;
    autoscaler_send(of, answer, strlen(answer));
    autoscaler_hang_up(of);
    return true;
}

bool autoscaler_accept(fake_autoscaler *of) {
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char request[2048], proof[80], accept[29], answer[256];
    unsigned char digest[SHA1_BYTES + 1] = {0};
    if (!read_request(of, request, sizeof request))
        return false;
    const char *key = strstr(request, "Sec-WebSocket-Key: ");
    if (key == NULL)
        return false;
    (void)snprintf(proof, sizeof proof, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key + 19);
    sha1(text_of(proof), digest);
    for (int i = 0; i < 7; i++) {
        unsigned group = (unsigned)digest[3 * i] << 16 | (unsigned)digest[3 * i + 1] << 8 |
                         digest[3 * i + 2];
        for (int j = 0; j < 4; j++)
            accept[4 * i + j] = digits[group >> (18 - 6 * j) & 63];
    }
    accept[27] = '=';
    accept[28] = '\0';
    (void)snprintf(answer, sizeof answer,
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    autoscaler_send(of, answer, strlen(answer));
    return true;
}

static bool read_exactly(int from, unsigned char *to, size_t length) {
    while (length > 0) {
        ssize_t got = is_readable(from) ? recv(from, to, length, 0) : 0;
        if (got <= 0)
            return false;
        to += got;
        length -= (size_t)got;
    }
    return true;
}

size_t autoscaler_read(fake_autoscaler *of, unsigned char *to, size_t room) {
    unsigned char head[2], mask[4], size[2];
    if (!read_exactly(of->peer, head, 2) || (head[1] & 0x80) == 0)
        return 0;
    size_t length = head[1] & 0x7f;
    if (length == 126) {
        if (!read_exactly(of->peer, size, 2))
            return 0;
        length = (size_t)size[0] << 8 | size[1];
    }
    if (length > room || !read_exactly(of->peer, mask, 4) || !read_exactly(of->peer, to, length))
        return 0;
    for (size_t i = 0; i < length; i++)
        to[i] ^= mask[i & 3];
    return (head[0] & 0x0f) == 2 ? length : autoscaler_read(of, to, room);
}

void autoscaler_send(fake_autoscaler *of, const void *bytes, size_t length) {
    if (send(of->peer, bytes, length, MSG_NOSIGNAL) != (ssize_t)length)
        abort();
}
void autoscaler_hang_up(fake_autoscaler *of) {
    if (of->peer >= 0)
        close(of->peer);
    of->peer = -1;
}
void autoscaler_end(fake_autoscaler *of) {
    autoscaler_hang_up(of);
    close(of->listener);
}
