#include "clock.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

int64_t clock_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Where the system gives no random numbers: masks and back-off need none that are secret. */
static ssize_t fill_from_clock(unsigned char *to, size_t length) {
    uint64_t state = (uint64_t)clock_us();
    for (size_t i = 0; i < length; i++) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        to[i] = (unsigned char)(state >> 56);
    }
    return (ssize_t)length;
}

void random_bytes(void *to, size_t length) {
    unsigned char *at = to;
    while (length > 0) {
        ssize_t given = getrandom(at, length, 0);
        if (given < 0 && errno != EINTR)
            given = fill_from_clock(at, length);
        if (given > 0) {
            at += given;
            length -= (size_t)given;
        }
    }
}

double random_share(void) {
    uint32_t drawn;
    random_bytes(&drawn, sizeof drawn);
    return drawn / 4294967296.0;
}
