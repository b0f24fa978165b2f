/* A place to connect to: `host:port`, `[v6]:port`. */
#ifndef REMIXER_ENDPOINT_H
#define REMIXER_ENDPOINT_H

#include <sys/socket.h>

#include "text.h"

enum { LONGEST_HOST = 253, LONGEST_ENDPOINT = LONGEST_HOST + 8 };

typedef struct endpoint {
    char host[LONGEST_HOST + 1];
    char port[6];
} endpoint;

/* False if `value` is not `host:port` with a port of 1..65535. */
bool endpoint_read(text value, endpoint *to);

typedef struct endpoint_found {
    struct sockaddr_storage at;
    socklen_t length; /* 0: not found */
} endpoint_found;

/* False if there is no such host. Numbers cost nothing; a name is asked of the resolver, which
 * may take its time. */
bool endpoint_find(const endpoint *of, endpoint_found *found);
/* A socket that does not block, connecting; -1 if that failed at once. */
int endpoint_connect(const endpoint_found *to);
/* Whether the connection came about. Never true for a socket that met itself: a port nobody
 * listens on can be the very one the system chose for our side. */
bool endpoint_is_connected(int socket);

#endif
