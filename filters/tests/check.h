/* The smallest test runner: `run NAME` runs one test, `run` lists their names. */
#ifndef REMIXER_CHECK_H
#define REMIXER_CHECK_H

#include <stdio.h>
#include <stdlib.h>

typedef struct test_case {
    const char *name;
    void (*run)(void);
} test_case;

/* Ends the program, so that what the sanitizers say is about this failure. */
#define CHECK(claim)                                                               \
    do {                                                                           \
        if (!(claim)) {                                                            \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #claim); \
            exit(1);                                                               \
        }                                                                          \
    } while (0)

#define TEST(function) {#function, function}

/* Each ends with a case without a name. */
extern const test_case CODEC_TESTS[], WAKE_TESTS[], HOLD_TESTS[], CACHE_TESTS[];

#endif
