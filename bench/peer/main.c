/*
 * What the engine is measured against: the least that a program in C can do for the same image. Threads copy 64 MiB
 * parts from a source larger than the caches, hash their 1 MiB leaves with the engine's own code, and send them as one
 * multipart upload, each over a connection of its own. No journal, no index, no retries, no signature.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "digest.h"
#include "select.h"

#define PART ((size_t)64 << 20)
#define LEAF ((size_t)1 << 20)
#define SOURCE ((size_t)256 << 20)
#define MAX_THREADS 64
/* One TLS write: larger ones cost more, because the record buffers leave the cache. */
#define STEP ((size_t)256 << 10)
#define ANSWER 16384

static const char usage[] =
    "Usage: bench-peer PORT BYTES THREADS hash|plain [CA-FILE]\n"
    "Sends BYTES (whole parts of 64 MiB) to the sink at 127.0.0.1:PORT; with a CA file over TLS to `localhost`.\n";

struct line {
  int fd;
  SSL *tls;
};

struct job {
  uint16_t port;
  unsigned parts;
  bool hash;
  SSL_CTX *tls;
  const uint8_t *source;
  char upload[64];
  atomic_uint next;
};

static void fail(const char *what) {
  fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void open_line(struct line *line, const struct job *job) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(job->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int on = 1;
  line->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (line->fd < 0 || connect(line->fd, (struct sockaddr *)&address, sizeof address) < 0) fail("cannot connect");
  setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (!job->tls) return;
  line->tls = SSL_new(job->tls);
  if (!line->tls || !SSL_set1_host(line->tls, "localhost") || !SSL_set_fd(line->tls, line->fd) || SSL_connect(line->tls) != 1)
    fail("cannot agree on TLS");
}

static void close_line(struct line *line) {
  SSL_free(line->tls);
  close(line->fd);
}

static void put(struct line *line, const uint8_t *data, size_t length) {
  while (length > 0) {
    size_t wrote = 0;
    if (line->tls) {
      if (!SSL_write_ex(line->tls, data, length < STEP ? length : STEP, &wrote)) fail("cannot send");
    } else {
      ssize_t sent = send(line->fd, data, length, MSG_NOSIGNAL);
      if (sent <= 0) fail("cannot send");
      wrote = (size_t)sent;
    }
    data += wrote;
    length -= wrote;
  }
}

/* The whole answer to one request: head and body, as text. */
static void take(struct line *line, char answer[ANSWER + 1]) {
  size_t have = 0, wanted = SIZE_MAX;
  while (have < wanted) {
    size_t got = 0;
    if (line->tls) {
      if (!SSL_read_ex(line->tls, answer + have, ANSWER - have, &got)) fail("no answer");
    } else {
      ssize_t read = recv(line->fd, answer + have, ANSWER - have, 0);
      if (read <= 0) fail("no answer");
      got = (size_t)read;
    }
    have += got;
    answer[have] = '\0';
    const char *end = strstr(answer, "\r\n\r\n"), *length = strstr(answer, "Content-Length: ");
    if (end && length) wanted = (size_t)(end + 4 - answer) + strtoul(length + strlen("Content-Length: "), NULL, 10);
  }
  if (strncmp(answer, "HTTP/1.1 200", 12) == 0) return;
  fprintf(stderr, "peer: %s\n", answer);
  exit(1);
}

static void ask(struct line *line, const char *head, char answer[ANSWER + 1]) {
  put(line, (const uint8_t *)head, strlen(head));
  take(line, answer);
}

/* The digests of a part's leaves, 16 at a time side by side. */
static void hash_leaves(const uint8_t *part, uint8_t digests[PART / LEAF][MAX_DIGEST_BYTES]) {
  for (size_t first = 0; first < PART / LEAF; first += MAX_LANES) {
    struct message messages[MAX_LANES], *ready[MAX_LANES];
    struct piece pieces[MAX_LANES];
    for (unsigned lane = 0; lane < MAX_LANES; lane++) {
      pieces[lane] = (struct piece){.data = part + (first + lane) * LEAF, .bytes = LEAF};
      message_init(&messages[lane], ALGORITHM_SHA256, &pieces[lane], 1);
      ready[lane] = &messages[lane];
    }
    messages_run(ready, MAX_LANES, UINT64_MAX / BLOCK_BYTES * BLOCK_BYTES);
    for (unsigned lane = 0; lane < MAX_LANES; lane++) message_digest(&messages[lane], digests[first + lane]);
  }
}

static void *send_parts(void *argument) {
  struct job *job = argument;
  struct line line = {0};
  uint8_t *part = aligned_alloc(4096, PART);
  static _Thread_local uint8_t digests[PART / LEAF][MAX_DIGEST_BYTES];
  char head[512], answer[ANSWER + 1];
  if (!part) fail("memory");
  open_line(&line, job);
  for (unsigned number; (number = atomic_fetch_add(&job->next, 1)) < job->parts;) {
    memcpy(part, job->source + (number % (SOURCE / PART)) * PART, PART);
    if (job->hash) hash_leaves(part, digests);
    snprintf(head, sizeof head, "PUT /bench-lsu/peer?partNumber=%u&uploadId=%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n",
             number + 1, job->upload, PART);
    put(&line, (const uint8_t *)head, strlen(head));
    put(&line, part, PART);
    take(&line, answer);
  }
  close_line(&line);
  free(part);
  return NULL;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double cpu(void) {
  struct rusage spent;
  getrusage(RUSAGE_SELF, &spent);
  return (double)(spent.ru_utime.tv_sec + spent.ru_stime.tv_sec) + (double)(spent.ru_utime.tv_usec + spent.ru_stime.tv_usec) / 1e6;
}

static uint8_t *make_source(void) {
  uint8_t *source = malloc(SOURCE);
  if (!source) fail("memory");
  uint64_t state = 0x9e3779b97f4a7c15;
  for (size_t at = 0; at < SOURCE; at += sizeof state) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    memcpy(source + at, &state, sizeof state);
  }
  return source;
}

static void begin_upload(struct job *job, struct line *line) {
  char answer[ANSWER + 1];
  ask(line, "POST /bench-lsu/peer?uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", answer);
  const char *id = strstr(answer, "<UploadId>");
  if (!id || sscanf(id, "<UploadId>%63[^<]", job->upload) != 1) fail("no upload");
}

static void end_upload(const struct job *job, struct line *line) {
  char head[256], answer[ANSWER + 1];
  /* The sink takes all parts, whatever the list says. */
  snprintf(head, sizeof head, "POST /bench-lsu/peer?uploadId=%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", job->upload);
  ask(line, head, answer);
}

int main(int argc, char **argv) {
  struct job job = {0};
  if (argc < 5 || argc > 6) {
    fputs(usage, stderr);
    return 2;
  }
  job.port = (uint16_t)atoi(argv[1]);
  job.parts = (unsigned)(strtoull(argv[2], NULL, 10) / PART);
  job.hash = strcmp(argv[4], "hash") == 0;
  int threads = atoi(argv[3]);
  if (threads < 1 || threads > MAX_THREADS || job.parts < 1) {
    fputs(usage, stderr);
    return 2;
  }
  if (argc == 6) {
    job.tls = SSL_CTX_new(TLS_client_method());
    if (!job.tls || SSL_CTX_load_verify_locations(job.tls, argv[5], NULL) != 1) fail("bad CA file");
    SSL_CTX_set_verify(job.tls, SSL_VERIFY_PEER, NULL);
  }
  job.source = make_source();
  select_init(ALGORITHM_SHA256, NULL);
  select_for(ALGORITHM_SHA256, MAX_LANES); /* calibrates, before the clock runs */
  double begun = now(), spent = cpu();
  struct line line = {0};
  open_line(&line, &job);
  begin_upload(&job, &line);
  pthread_t workers[MAX_THREADS];
  for (int at = 0; at < threads; at++)
    if (pthread_create(&workers[at], NULL, send_parts, &job) != 0) fail("cannot start a thread");
  for (int at = 0; at < threads; at++) pthread_join(workers[at], NULL);
  end_upload(&job, &line);
  double seconds = now() - begun;
  printf("{\"seconds\":%.6f,\"cpuSeconds\":%.6f}\n", seconds, cpu() - spent);
  close_line(&line);
  SSL_CTX_free(job.tls);
  free((void *)(uintptr_t)job.source);
  return 0;
}
