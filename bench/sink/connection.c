#include "connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BUFFER_BYTES (512 * 1024)
#define MAX_HEAD_BYTES (32 * 1024)

static ssize_t receive(struct connection *connection, void *into, size_t length, int flags) {
  if (connection->tls) {
    size_t read = 0;
    return SSL_read_ex(connection->tls, into, length, &read) ? (ssize_t)read : -1;
  }
  ssize_t got;
  do got = recv(connection->fd, into, length, flags);
  while (got < 0 && errno == EINTR);
  return got;
}

static ssize_t transmit(struct connection *connection, const void *data, size_t length, int flags) {
  if (connection->tls) {
    size_t written = 0;
    return SSL_write_ex(connection->tls, data, length, &written) ? (ssize_t)written : -1;
  }
  ssize_t sent;
  do sent = send(connection->fd, data, length, MSG_NOSIGNAL | flags);
  while (sent < 0 && errno == EINTR);
  return sent;
}

static bool send_all(struct connection *connection, const void *data, size_t length, int flags) {
  const uint8_t *at = data;
  while (length > 0) {
    ssize_t sent = transmit(connection, at, length, flags);
    if (sent <= 0) return false;
    at += sent;
    length -= (size_t)sent;
  }
  return true;
}

bool connection_send(struct connection *connection, const void *data, size_t length) {
  return send_all(connection, data, length, 0);
}

bool connection_send_stamped(struct connection *connection, uint64_t offset, uint64_t length) {
  while (length > 0) {
    uint8_t stamp[STAMP_BYTES];
    struct stamped next = ring_at(connection->sink->ring, offset, length, stamp);
    if (!send_all(connection, next.stamp, next.stamp_length, next.length > 0 ? MSG_MORE : 0)) return false;
    if (!send_all(connection, next.data, next.length, 0)) return false;
    offset += next.stamp_length + next.length;
    length -= next.stamp_length + next.length;
  }
  return true;
}

bool connection_answer(struct connection *connection, const char *status, const char *headers, const void *body,
                       uint64_t length) {
  struct text head = {0};
  text_add(&head, "HTTP/1.1 %s\r\n%sContent-Length: %llu\r\n\r\n", status, headers, (unsigned long long)length);
  bool sent = connection_send(connection, head.data, head.length);
  text_free(&head);
  return sent && (!body || connection_send(connection, body, length));
}

static void use(const uint8_t *data, size_t length, const struct body *body, uint64_t offset) {
  if (body->keep) memcpy(body->keep + offset, data, length);
  if (body->stamps) stamps_feed(body->stamps, data, length);
}

bool connection_drain(struct connection *connection, uint64_t length, const struct body *body) {
  struct sink *sink = connection->sink;
  uint64_t done = 0;
  size_t early = connection->end - connection->start;
  if (early > length) early = length;
  use(connection->buffer + connection->start, early, body, 0);
  connection->start += early;
  done += early;
  bool touch = body->keep || body->stamps || !sink->truncate || connection->tls;
  while (done < length) {
    uint64_t wanted = length - done < BUFFER_BYTES ? length - done : BUFFER_BYTES;
    if (body->throttled) wanted = throttle_take(&sink->throttle, wanted);
    if (wanted == 0) return false;
    /* Granted bytes are read whole, so that the limit is neither missed nor exceeded. */
    for (uint64_t got = 0; got < wanted;) {
      ssize_t step = receive(connection, connection->buffer, (size_t)(wanted - got), touch ? 0 : MSG_TRUNC);
      if (step <= 0) return false;
      if (touch) use(connection->buffer, (size_t)step, body, done);
      got += (uint64_t)step;
      done += (uint64_t)step;
    }
    connection->start = connection->end = 0;
  }
  sink->bytes_in += length;
  return true;
}

/* Length of the head at the start of the buffer, 0 when it has not come yet. */
static size_t head_length(const struct connection *connection) {
  const uint8_t *from = connection->buffer + connection->start;
  const uint8_t *end = memmem(from, connection->end - connection->start, "\r\n\r\n", 4);
  return end ? (size_t)(end - from) + 4 : 0;
}

/* Receive until a whole head is there. */
static size_t read_head(struct connection *connection) {
  for (;;) {
    size_t length = head_length(connection);
    if (length > 0 || connection->end - connection->start >= MAX_HEAD_BYTES) return length;
    if (connection->start > 0) {
      memmove(connection->buffer, connection->buffer + connection->start, connection->end - connection->start);
      connection->end -= connection->start;
      connection->start = 0;
    }
    ssize_t got = receive(connection, connection->buffer + connection->end, BUFFER_BYTES - connection->end, 0);
    if (got <= 0) return 0;
    connection->end += (size_t)got;
  }
}

static bool serve_one(struct connection *connection) {
  size_t length = read_head(connection);
  if (length == 0) return false;
  struct request request;
  int bad = request_parse(&request, (char *)connection->buffer + connection->start, length);
  connection->start += length;
  connection->sink->requests++;
  if (bad) {
    char status[32];
    snprintf(status, sizeof status, "%d Refused", bad);
    connection_answer(connection, status, "Connection: close\r\n", NULL, 0);
    return false;
  }
  if (request.expects && request.content_length > 0) {
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!connection_send(connection, go_on, sizeof go_on - 1)) return false;
  }
  return s3_handle(connection, &request) && !request.close;
}

void connection_serve(struct sink *sink, int fd) {
  struct connection connection = {.sink = sink, .fd = fd, .buffer = must_alloc(BUFFER_BYTES)};
  bool open = true;
  if (sink->tls) {
    connection.tls = SSL_new(sink->tls);
    open = connection.tls && SSL_set_fd(connection.tls, fd) && SSL_accept(connection.tls) == 1;
  }
  while (open && serve_one(&connection)) continue;
  SSL_free(connection.tls);
  free(connection.buffer);
}
