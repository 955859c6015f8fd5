/* One client connection: reads requests, drains bodies, sends answers. */
#ifndef SINK_CONNECTION_H
#define SINK_CONNECTION_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "objects.h"
#include "request.h"
#include "text.h"
#include "throttle.h"

/* What all connections share. */
struct sink {
  struct objects objects;
  struct throttle throttle;
  uint8_t ring[RING_BYTES];
  bool verify;
  bool kms;      /* say that ETags are no MD5 */
  SSL_CTX *tls;  /* NULL: plain HTTP */
  bool truncate; /* let the kernel drop payload without copying it (MSG_TRUNC) */
  atomic_uint_fast64_t requests;
  atomic_uint_fast64_t bytes_in;
  atomic_uint_fast64_t bytes_out;
};

/* Where a body goes; whatever is NULL or false is not wanted. */
struct body {
  uint8_t *keep; /* room for all of it */
  struct stamps *stamps;
  bool throttled;
};

struct connection {
  struct sink *sink;
  int fd;
  SSL *tls; /* NULL: plain HTTP */
  uint8_t *buffer;
  size_t start; /* bytes received but not yet used: [start, end) */
  size_t end;
};

/* Serve until the client leaves; does not close the socket. */
void connection_serve(struct sink *sink, int fd);
/* Read the body of a request. False when the client left. */
bool connection_drain(struct connection *connection, uint64_t length, const struct body *body);
/* Send a head, `Content-Length: length` included, and the body unless it is NULL. `headers` are whole lines. */
bool connection_answer(struct connection *connection, const char *status, const char *headers, const void *body,
                       uint64_t length);
bool connection_send(struct connection *connection, const void *data, size_t length);
/* Bytes `offset` and on of the endless stream of stamped blocks that begins with number 0: out of the ring, without a copy. */
bool connection_send_stamped(struct connection *connection, uint64_t offset, uint64_t length);

/* s3.c: answer one request; reads its body too. False ends the connection. */
bool s3_handle(struct connection *connection, const struct request *request);
/* The counters and verdicts as JSON. */
void sink_report(struct sink *sink, struct text *out);

#endif
