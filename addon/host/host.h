/* ost-host: what its commands share. */
#ifndef HOST_H
#define HOST_H

#include "library.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit codes, documented in the usage text. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_SETUP = 3, EXIT_MISMATCH = 4 };

struct options {
  const char *library;
  const char *server;
  const char *user, *password;
  const char *lsu, *to_lsu, *worm_lsu;
  const char *image, *to_image;
  const char *date, *policy;
  const char *file;  /* input or output; NULL or "-": standard streams */
  uint64_t buffer;   /* bytes per call */
  uint64_t fragment; /* bytes per fragment; 0: one */
  uint64_t stripe;   /* bytes per turn when streams share an input */
  uint64_t generate; /* bytes of made-up data; 0: read the input */
  uint64_t seed;
  uint32_t streams;
  uint32_t count, interval_ms;
  uint64_t after; /* events: number of the last one that is known */
  const char *pattern; /* order of writes: forward, swap, jump */
  bool pending, async, incomplete, raw, read, images;
  const char *failing_lsu; /* conformance: an LSU whose storage takes no image data */
  const char *only; /* conformance: only checks whose name holds this */
  uint32_t info;    /* which parts of info */
};

enum { INFO_PLUGIN = 1, INFO_SERVER = 2, INFO_LSU = 4, INFO_IMAGE = 8 };

/* ---- args.c ---- */
/* Fill in `options` from the arguments; exits with the usage text when they are wrong. */
void parse_options(int argc, char **argv, struct options *options);
void usage(int code);
/* 64K, 256M, 1G … to bytes; false when it is no size. */
bool parse_size(const char *text, uint64_t *bytes);

/* ---- connect.c ---- */
/* stsp_init, stsp_open_server; exits with a message when one fails. */
stsp_server_handle_t open_session(const struct options *options);
void close_session(stsp_server_handle_t server);
/* Fill in the structs that calls take. */
sts_lsu_t make_lsu(stsp_server_handle_t server, const char *name);
sts_image_def_t make_def(const struct options *options, const char *basename);
sts_cred_t make_cred(const struct options *options);
/* Print "function: number" to stderr and return EXIT_FAILED. */
int complain(const char *function, int status);
double seconds_now(void);
double cpu_seconds(void);

/* ---- generate.c ---- */
/* Fill bytes [offset, offset + length) of an endless stream that depends on the seed. Multiples of 512. */
void generate_fill(uint64_t seed, uint64_t offset, void *buffer, size_t length);
/* Is this what generate_fill made? Sets the first wrong offset. */
bool generate_check(uint64_t seed, uint64_t offset, const void *buffer, size_t length, uint64_t *wrong);

/* ---- commands; each returns an exit code ---- */
int command_info(const struct options *options);
int command_backup(const struct options *options);
int command_restore(const struct options *options);
int command_list(const struct options *options);
int command_delete(const struct options *options);
int command_copy(const struct options *options);
int command_events(const struct options *options);
int command_poll(const struct options *options);
int command_conformance(const struct options *options);
int command_bench(const struct options *options);

#endif
