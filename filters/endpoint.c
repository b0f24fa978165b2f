#include "endpoint.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

bool endpoint_read(text value, endpoint *to) {
    const char *colon = value.length == 0 ? NULL : memrchr(value.at, ':', value.length);
    if (colon == NULL)
        return false;
    text host = {value.at, (size_t)(colon - value.at)};
    size_t port_length = value.length - host.length - 1;
    if (host.length >= 2 && host.at[0] == '[' && host.at[host.length - 1] == ']')
        host = (text){host.at + 1, host.length - 2};
    if (host.length == 0 || host.length > LONGEST_HOST || port_length == 0 || port_length > 5)
        return false;
    memcpy(to->host, host.at, host.length);
    to->host[host.length] = '\0';
    memcpy(to->port, colon + 1, port_length);
    to->port[port_length] = '\0';
    char *end;
    long port = strtol(to->port, &end, 10);
    return *end == '\0' && port >= 1 && port <= 65535;
}

static struct addrinfo *look_up(const endpoint *to) {
    struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *found = NULL;
    if (getaddrinfo(to->host, to->port, &wanted, &found) == 0)
        return found;
    wanted.ai_flags = AI_ADDRCONFIG;
    return getaddrinfo(to->host, to->port, &wanted, &found) == 0 ? found : NULL;
}

bool endpoint_find(const endpoint *of, endpoint_found *found) {
    struct addrinfo *first = look_up(of);
    found->length = 0;
    if (first == NULL || first->ai_addrlen > sizeof found->at)
        return false;
    memcpy(&found->at, first->ai_addr, first->ai_addrlen);
    found->length = first->ai_addrlen;
    freeaddrinfo(first);
    return true;
}

int endpoint_connect(const endpoint_found *to) {
    int one = 1;
    int made = socket(to->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (made < 0)
        return -1;
    (void)setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(made, (const struct sockaddr *)&to->at, to->length) == 0 || errno == EINPROGRESS)
        return made;
    close(made);
    return -1;
}

bool endpoint_is_connected(int socket) {
    struct sockaddr_storage ours = {0}, theirs = {0};
    socklen_t ours_length = sizeof ours, theirs_length = sizeof theirs;
    int error = 0;
    socklen_t error_length = sizeof error;
    if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &error_length) != 0 || error != 0)
        return false;
    if (getpeername(socket, (struct sockaddr *)&theirs, &theirs_length) != 0 ||
        getsockname(socket, (struct sockaddr *)&ours, &ours_length) != 0)
        return false;
    return ours_length != theirs_length || memcmp(&ours, &theirs, ours_length) != 0;
}
