/*
 * Fuzzing of the session: the input says what a hostile engine sends while the plugin opens, writes, reads, lists and
 * closes. clang: -fsanitize=fuzzer,address,undefined -DVOST_LIBFUZZER. gcc: without the define it runs every file named on
 * the command line once.
 */
#include "../plugin/image.h"
#include "../plugin/session.h"
#include "stspi.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config config;
static struct log quiet = {.fd = -1};
static int listener = -1;
static char folder[] = "/tmp/vost-session-fuzz-XXXXXX";

struct peer {
  pthread_t thread;
  const uint8_t *data;
  size_t size;
  int stop[2]; /* a pipe that is closed when the plugin is done */
  int fd;
  uint8_t frame[WIRE_MAX_FRAME], out[WIRE_MAX_FRAME];
};

static uint8_t next_byte(struct peer *peer) {
  if (peer->size == 0) return 0;
  peer->size--;
  return *peer->data++;
}

/* Until `fd` has something; false when the plugin is done. */
static bool wait_for(struct peer *peer, int fd) {
  struct pollfd both[] = {{.fd = fd, .events = POLLIN}, {.fd = peer->stop[0], .events = POLLIN}};
  return poll(both, 2, -1) > 0 && both[1].revents == 0;
}

static bool take(struct peer *peer, struct wire_header *header) {
  size_t at = 0, wanted = WIRE_HEADER_BYTES;
  while (at < wanted) {
    if (!wait_for(peer, peer->fd)) return false;
    ssize_t got = recv(peer->fd, peer->frame + at, wanted - at, MSG_DONTWAIT);
    if (got <= 0) return false;
    at += (size_t)got;
    if (at != WIRE_HEADER_BYTES) continue;
    /* What the plugin sends is well-formed, whatever it was told. */
    if (wire_header_read(peer->frame, header) != WIRE_DECODE_OK) abort();
    wanted = header->length;
  }
  return true;
}

static void give(struct peer *peer, size_t length) {
  ssize_t ignored = send(peer->fd, peer->out, length, MSG_NOSIGNAL | MSG_DONTWAIT);
  (void)ignored;
}

/* A sensible answer, so that the session comes to the states behind it. */
static size_t sensible(struct peer *peer, const struct wire_header *asked) {
  union wire_any message = {0};
  if (asked->type == WIRE_TYPE_HELLO) message.hello_ok.major = WIRE_MAJOR;
  if (asked->type == WIRE_TYPE_IMAGE_CREATE || asked->type == WIRE_TYPE_IMAGE_OPEN)
    message.image_opened = (struct wire_image_opened){.chunk_bytes = 1 << 20, .window = 4};
  if (asked->type == WIRE_TYPE_IMAGE_READ)
    message.image_range = (struct wire_image_range){.length = 65536, .flags = next_byte(peer) & 1};
  return wire_encode(peer->out, sizeof(peer->out), asked->type | WIRE_ANSWER, 0, asked->id, &message);
}

static void put_number(uint8_t *at, uint64_t number, unsigned bytes) {
  for (unsigned i = 0; i < bytes; i++) at[i] = (uint8_t)(number >> (8 * i));
}

/* What the next byte of the input says. False: break the connection. */
static bool react(struct peer *peer, const struct wire_header *asked) {
  uint8_t what = next_byte(peer);
  size_t length = sensible(peer, asked);
  switch (what % 8) {
  case 0:
  case 1: break;
  case 2: /* some bytes of it are others */
    for (unsigned i = what / 8 % 8; i > 0; i--) peer->out[next_byte(peer) % length] ^= next_byte(peer);
    break;
  case 3: /* the payload is the input's */
    length = WIRE_HEADER_BYTES + what / 8u * 4;
    for (size_t i = WIRE_HEADER_BYTES; i < length; i++) peer->out[i] = next_byte(peer);
    put_number(peer->out, length, 4);
    break;
  case 4: { /* an error */
    struct wire_error error = {next_byte(peer), next_byte(peer), wire_text("because")};
    length = wire_encode(peer->out, sizeof(peer->out), asked->type | WIRE_ANSWER, WIRE_FLAG_ERROR, asked->id, &error);
    break;
  }
  case 5: { /* a slot of some image, then the answer */
    struct wire_slot slot = {next_byte(peer) % 8, next_byte(peer) % 8};
    size_t notice = wire_encode(peer->out, sizeof(peer->out), WIRE_TYPE_SLOT_FREE, 0, 0, &slot);
    give(peer, notice);
    length = sensible(peer, asked);
    break;
  }
  case 6: { /* a late error, then the answer twice */
    struct wire_image_error error = {next_byte(peer) % 8, next_byte(peer), wire_text("late")};
    give(peer, wire_encode(peer->out, sizeof(peer->out), WIRE_TYPE_IMAGE_ERROR, 0, 0, &error));
    length = sensible(peer, asked);
    if (what & 8) give(peer, length);
    break;
  }
  default: return false;
  }
  give(peer, length);
  return true;
}

static bool greet(struct peer *peer) {
  uint8_t control[64];
  struct iovec bytes = {peer->frame, WIRE_HELLO_BYTES};
  struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  if (!wait_for(peer, peer->fd) || recvmsg(peer->fd, &message, MSG_CMSG_CLOEXEC) != WIRE_HELLO_BYTES) return false;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  int memory;
  if (header == NULL) abort();
  memcpy(&memory, CMSG_DATA(header), sizeof(memory));
  close(memory);
  struct wire_header hello = {.type = WIRE_TYPE_HELLO, .id = 1};
  return react(peer, &hello);
}

static void *be_engine(void *argument) {
  struct peer *peer = argument;
  while (wait_for(peer, listener)) {
    struct wire_header header;
    peer->fd = accept(listener, NULL, NULL);
    if (peer->fd < 0) break;
    bool good = peer->size > 0 && greet(peer);
    while (good && peer->size > 0 && take(peer, &header)) good = header.id == 0 || react(peer, &header);
    close(peer->fd);
  }
  return NULL;
}

static struct image *open_one(struct session *session, uint32_t mode) {
  struct failure failure = {0};
  sts_image_def_t def = {.img_basename = "x"};
  pthread_mutex_lock(&session->lock);
  struct image *image = image_new(session, mode, "lsu", &def, &failure);
  pthread_mutex_unlock(&session->lock);
  if (image == NULL) return NULL;
  return image_open(session, image, 0, mode == WIRE_MODE_WRITE, &failure) == STS_EOK ? image : NULL;
}

static void close_one(struct session *session, struct image *image, uint32_t mode) {
  struct failure failure = {0};
  char report[64];
  image_close(session, image, mode, report, sizeof(report), &failure);
}

static void ask(struct session *session, uint16_t type, const void *message) {
  struct failure failure = {0};
  struct request *request;
  if (session_call(session, type, message, config.call_timeout_ms, &request, &failure) != STS_EOK) return;
  session_done(session, request);
}

static void be_host(struct session *session) {
  static uint8_t bytes[(1 << 20) + 512];
  struct failure failure = {0};
  uint64_t moved = 0;
  struct wire_image_list list = {.lsu = wire_text("lsu"), .max = 9};
  struct wire_server_prop prop = {0, wire_text("VastData:x")};
  ask(session, WIRE_TYPE_SERVER_PROP, &prop);
  struct image *writer = open_one(session, WIRE_MODE_WRITE), *reader = open_one(session, WIRE_MODE_READ);
  if (writer != NULL) image_write(session, writer, bytes, sizeof(bytes), 0, &moved, &failure);
  if (moved > sizeof(bytes)) abort();
  moved = 0;
  if (reader != NULL) image_read(session, reader, bytes, 4096, 512, &moved, &failure);
  if (moved > 4096) abort();
  ask(session, WIRE_TYPE_IMAGE_LIST, &list);
  if (writer != NULL) image_flush(session, writer, &failure);
  if (writer != NULL) close_one(session, writer, WIRE_CLOSE_COMPLETE);
  if (reader != NULL) close_one(session, reader, WIRE_CLOSE_READ);
}

static void prepare(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (mkdtemp(folder) == NULL) abort();
  snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
  listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(listener, 8) != 0) abort();
  config_defaults(&config);
  memcpy(config.socket, address.sun_path, sizeof(config.socket));
  config.slot_bytes = 1 << 20;
  config.slot_count = 6;
  config.connect_timeout_ms = config.reconnect_patience_ms = 5;
  config.engine_timeout_ms = config.call_timeout_ms = config.data_timeout_ms = 20;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct peer peer;
  struct failure failure = {0};
  if (listener < 0) prepare();
  struct session *session = session_new(&config, &quiet, &failure);
  if (session == NULL || pipe(peer.stop) != 0) abort();
  peer.data = data;
  peer.size = size;
  if (pthread_create(&peer.thread, NULL, be_engine, &peer) != 0) abort();
  be_host(session);
  /* Every image was freed, or its request is left to an answer that never comes. */
  session_free(session);
  close(peer.stop[1]);
  pthread_join(peer.thread, NULL);
  close(peer.stop[0]);
  /* Connections that nobody took belong to this input. */
  for (int fd; (fd = accept(listener, NULL, NULL)) >= 0;) close(fd);
  return 0;
}

#ifndef VOST_LIBFUZZER
int main(int argc, char **argv) {
  static uint8_t bytes[65536];
  for (int i = 1; i < argc; i++) {
    FILE *file = fopen(argv[i], "rb");
    if (file == NULL) return perror(argv[i]), 1;
    size_t length = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, length);
  }
  unlink(config.socket);
  rmdir(folder);
  printf("ok - session-fuzz: %d inputs\n", argc - 1);
  return 0;
}
#endif
