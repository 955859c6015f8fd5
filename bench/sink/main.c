/*
 * A discard sink for benchmarks: an S3 endpoint that takes everything as fast as the kernel hands it over and keeps
 * next to nothing. See --help.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"

#define MAX_CLIENTS 256

static const char usage[] =
    "Usage: bench-sink [options]\n"
    "An S3 endpoint on 127.0.0.1 that discards bodies. Prints one line `listening PORT`, and its report as JSON at exit\n"
    "(SIGTERM or SIGINT) and for GET /-/stats.\n"
    "  --port N         default 0: any free one\n"
    "  --rate N         take at most N bytes of payload per second, over all connections\n"
    "  --slow-bytes N   the rate holds for the first N bytes only\n"
    "  --verify         payload is 256 KiB blocks that begin with their number; check them per object\n"
    "  --truncate       let the kernel drop payload instead of copying it (MSG_TRUNC)\n"
    "  --kms            say that objects are encrypted, so that no client takes an ETag for an MD5\n"
    "  --tls FILE       HTTPS with the certificate and the key in this file (PEM)\n";

struct client {
  pthread_t thread;
  struct sink *sink;
  int fd;
  bool used;
  atomic_bool done;
};

static void *run_client(void *argument) {
  struct client *client = argument;
  connection_serve(client->sink, client->fd);
  shutdown(client->fd, SHUT_RDWR); /* the descriptor itself is closed by whoever joins this thread */
  client->done = true;
  return NULL;
}

static void end_client(struct client *client) {
  pthread_join(client->thread, NULL);
  close(client->fd);
  client->used = false;
}

/* A free place; waits for nobody: a client too many is turned away. */
static struct client *free_place(struct client *clients) {
  struct client *place = NULL;
  for (size_t at = 0; at < MAX_CLIENTS; at++) {
    if (clients[at].used && clients[at].done) end_client(&clients[at]);
    if (!clients[at].used) place = &clients[at];
  }
  return place;
}

static void accept_client(struct sink *sink, struct client *clients, int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0) return;
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct client *client = free_place(clients);
  if (client) {
    *client = (struct client){.sink = sink, .fd = fd};
    client->used = pthread_create(&client->thread, NULL, run_client, client) == 0;
  }
  if (!client || !client->used) close(fd);
}

static int listen_on(uint16_t port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 128) < 0 ||
      getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
    close(fd);
    return -1;
  }
  printf("listening %u\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

static void serve(struct sink *sink, int listener, int signals) {
  struct client *clients = must_alloc(MAX_CLIENTS * sizeof *clients);
  struct pollfd events[] = {{.fd = signals, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
  while (events[0].revents == 0) {
    if (poll(events, 2, -1) < 0 && errno != EINTR) break;
    if (events[1].revents != 0) accept_client(sink, clients, listener);
  }
  throttle_stop(&sink->throttle);
  for (size_t at = 0; at < MAX_CLIENTS; at++) {
    if (!clients[at].used) continue;
    shutdown(clients[at].fd, SHUT_RDWR);
    end_client(&clients[at]);
  }
  free(clients);
}

static double number_of(const char *text, double most) {
  char *end;
  double number = strtod(text, &end);
  if (end != text && *end == '\0' && number >= 0 && number <= most) return number;
  fprintf(stderr, "sink: bad number: %s\n%s", text, usage);
  exit(2);
}

/* Contexts live as long as the program. */
static SSL_CTX *tls_of(const char *file) {
  SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
  if (tls && SSL_CTX_use_certificate_chain_file(tls, file) == 1 && SSL_CTX_use_PrivateKey_file(tls, file, SSL_FILETYPE_PEM) == 1) {
    signal(SIGPIPE, SIG_IGN);
    return tls;
  }
  fprintf(stderr, "sink: no certificate and key in %s\n", file);
  exit(2);
}

int main(int argc, char **argv) {
  static const struct option options[] = {
      {"port", required_argument, NULL, 'p'},  {"rate", required_argument, NULL, 'r'},
      {"slow-bytes", required_argument, NULL, 's'}, {"verify", no_argument, NULL, 'v'},
      {"truncate", no_argument, NULL, 't'},    {"tls", required_argument, NULL, 'c'},
      {"kms", no_argument, NULL, 'k'},         {"help", no_argument, NULL, 'h'},
      {NULL, 0, NULL, 0},
  };
  struct sink *sink = must_alloc(sizeof *sink);
  double port = 0, rate = 0, slow_bytes = 0;
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == 'p') port = number_of(optarg, 65535);
    else if (option == 'r') rate = number_of(optarg, 1e12);
    else if (option == 's') slow_bytes = number_of(optarg, 1e15);
    else if (option == 'v') sink->verify = true;
    else if (option == 't') sink->truncate = true;
    else if (option == 'k') sink->kms = true;
    else if (option == 'c') sink->tls = tls_of(optarg);
    else {
      fputs(usage, option == 'h' ? stdout : stderr);
      free(sink);
      return option == 'h' ? 0 : 2;
    }
  }
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGTERM);
  sigaddset(&wanted, SIGINT);
  pthread_sigmask(SIG_BLOCK, &wanted, NULL);
  int signals = signalfd(-1, &wanted, SFD_CLOEXEC);
  objects_init(&sink->objects);
  throttle_init(&sink->throttle, rate, (uint64_t)slow_bytes);
  ring_make(sink->ring);
  int listener = listen_on((uint16_t)port);
  bool good = listener >= 0 && signals >= 0;
  if (good) {
    serve(sink, listener, signals);
    struct text report = {0};
    sink_report(sink, &report);
    fputs(report.data, stdout);
    text_free(&report);
  } else {
    perror("sink: cannot listen");
  }
  if (listener >= 0) close(listener);
  if (signals >= 0) close(signals);
  throttle_free(&sink->throttle);
  objects_free(&sink->objects);
  SSL_CTX_free(sink->tls);
  free(sink);
  return good ? 0 : 1;
}
