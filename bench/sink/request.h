/* The head of an HTTP/1.1 request, as far as S3 clients need it. */
#ifndef SINK_REQUEST_H
#define SINK_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_ROOM 1280
#define VALUE_ROOM 1100

struct request {
  char method[8];
  char path[NAME_ROOM];    /* decoded, without the leading '/' */
  char query[2 * NAME_ROOM]; /* as it came */
  uint64_t content_length;
  uint64_t payload_length; /* of the object: x-amz-decoded-content-length where the body is aws-chunked */
  bool encoded;            /* the body is aws-chunked */
  bool copy;               /* x-amz-copy-source */
  bool expects;            /* Expect: 100-continue */
  bool close;
  bool ranged;
  uint64_t range_first;
  uint64_t range_last; /* UINT64_MAX: to the end */
};

/* Parse a head of `length` bytes that ends in an empty line; changes it. Returns an HTTP status, 0 for a good one. */
int request_parse(struct request *request, char *head, size_t length);
/* Value of a query parameter, decoded; false when it is absent or too long. `value` may be NULL. */
bool request_parameter(const struct request *request, const char *name, char value[VALUE_ROOM]);

#endif
