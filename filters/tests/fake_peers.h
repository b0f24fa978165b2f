/* Peers on loopback: a port that is refused until a pod listens, and an autoscaler. */
#ifndef REMIXER_FAKE_PEERS_H
#define REMIXER_FAKE_PEERS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct fake_pod {
    int socket;
    int port;
} fake_pod;

/* A port that refuses connections. */
fake_pod pod_asleep(void);
/* Now it accepts them; nobody answers. */
void pod_wake(fake_pod *pod);
void pod_end(fake_pod *pod);

/* Accepts one connection, upgrades it, and reads the first message into `to`; its length, or 0. */
typedef struct fake_autoscaler {
    int listener, peer, port;
} fake_autoscaler;
fake_autoscaler autoscaler_start(void);
/* Answers with this instead, and hangs up: false if nobody came within 3 s. */
bool autoscaler_answer(fake_autoscaler *of, const char *answer);
bool autoscaler_accept(fake_autoscaler *of);
size_t autoscaler_read(fake_autoscaler *of, unsigned char *to, size_t room);
void autoscaler_send(fake_autoscaler *of, const void *bytes, size_t length);
void autoscaler_hang_up(fake_autoscaler *of);
void autoscaler_end(fake_autoscaler *of);

#endif
