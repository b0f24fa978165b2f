/* Envoy as the tests play it: streams are structs, and what is scheduled waits to be run. */
#ifndef REMIXER_FAKE_ENVOY_H
#define REMIXER_FAKE_ENVOY_H

#include "../envoy_abi.h"

enum { FAKE_HEADERS = 64, FAKE_VALUES = 128 };

typedef struct fake_value {
    char space[64], key[64], string[256];
    double number;
    int kind; /* 's', 'n', 'b', or 'l' for one string of a list */
} fake_value;

typedef struct fake_stream {
    struct { char name[64], value[256]; } headers[4][FAKE_HEADERS];
    size_t header_count[4];
    fake_value metadata[FAKE_VALUES];
    size_t metadata_count;
    char body[512]; /* of the response, for the hook */
    char cluster[64];
    void *filter;   /* our side */
    int continued;  /* how often decoding went on */
    int status;     /* of the answer it was given, or 0 */
    char details[64], sent_body[512], sent_headers[512];
} fake_stream;

/* A stream with a filter of this configuration. */
fake_stream *fake_open(const void *config);
void fake_close(fake_stream *stream);
void fake_header(fake_stream *stream, int map, const char *name, const char *value);
int fake_request(fake_stream *stream);
int fake_respond(fake_stream *stream, const char *status);
/* Runs what was scheduled until `*count` is `wanted`; false after a minute. */
bool fake_run_until(const int *count, int wanted);
void fake_run_for_ms(int milliseconds);
bool fake_run_until_counter(const char *name, uint64_t wanted);
/* As the former, and what was scheduled stays so. */
bool fake_wait_for_counter(const char *name, uint64_t wanted);
uint64_t fake_counter(const char *name);
/* A configuration; NULL if it was refused. */
const void *fake_config(const char *filter, const char *settings);
/* Lines that were logged. */
extern _Atomic int fake_log_lines;

#endif
