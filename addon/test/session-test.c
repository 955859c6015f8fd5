/*
 * The session against a scripted peer in this process: a late answer, an answer nobody asked for, broken
 * frames, silence. The peer runs in a thread and follows a script of steps.
 */
#include "../plugin/image.h"
#include "../plugin/session.h"
#include "check.h"
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char socket_path[108];
static int listener;

struct peer {
  int fd;
  uint8_t frame[WIRE_MAX_FRAME];
  struct wire_header header;
};

static bool take(struct peer *peer) {
  size_t at = 0, wanted = WIRE_HEADER_BYTES;
  while (at < wanted) {
    ssize_t got = recv(peer->fd, peer->frame + at, wanted - at, 0);
    if (got <= 0) return false;
    at += (size_t)got;
    if (at == WIRE_HEADER_BYTES && wire_header_read(peer->frame, &peer->header) == WIRE_DECODE_OK)
      wanted = peer->header.length;
  }
  return true;
}

static void answer(struct peer *peer, uint16_t type, uint32_t id, const void *message) {
  uint8_t frame[4096];
  size_t length = wire_encode(frame, sizeof(frame), type | WIRE_ANSWER, 0, id, message);
  CHECK(length > 0 && send(peer->fd, frame, length, MSG_NOSIGNAL) == (ssize_t)length);
}

/* Accept a connection and say hello. */
static void greet(struct peer *peer) {
  static const struct wire_hello_ok hello = {.major = 1};
  struct msghdr message = {0};
  char control[64];
  struct iovec bytes = {peer->frame, WIRE_HELLO_BYTES};
  peer->fd = accept(listener, NULL, NULL);
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  CHECK(recvmsg(peer->fd, &message, 0) == WIRE_HELLO_BYTES);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  CHECK(header != NULL && header->cmsg_type == SCM_RIGHTS);
  int memory;
  memcpy(&memory, CMSG_DATA(header), sizeof(memory));
  close(memory);
  answer(peer, WIRE_TYPE_HELLO, 1, &hello);
}

static const struct wire_server_info info = {.capabilities = 5};

/* Answers pings only; the request that nobody answered gets its answer when the second one is asked. */
static void *late_answer(void *argument) {
  struct peer *peer = argument;
  uint32_t first = 0;
  greet(peer);
  while (take(peer)) {
    if (peer->header.type == WIRE_TYPE_PING)
      answer(peer, WIRE_TYPE_PING, peer->header.id, &info);
    else if (first == 0)
      first = peer->header.id;
    else {
      answer(peer, WIRE_TYPE_SERVER_PROP, first, &info);
      answer(peer, WIRE_TYPE_SERVER_PROP, peer->header.id, &info);
    }
  }
  close(peer->fd);
  return NULL;
}

static void drain(struct peer *peer) {
  while (take(peer)) continue;
  close(peer->fd);
}

/* A connection that is right: the request that got no answer on the one before is sent again. */
static void answer_again(struct peer *peer) {
  greet(peer);
  CHECK(take(peer) && (peer->header.flags & WIRE_FLAG_RESEND) != 0);
  answer(peer, WIRE_TYPE_SERVER_PROP, peer->header.id, &info);
  drain(peer);
}

/* First connection: an answer that nobody asked for. Second: rubbish. Third: right. */
static void *misbehaves(void *argument) {
  struct peer *peer = argument;
  greet(peer);
  CHECK(take(peer));
  answer(peer, WIRE_TYPE_SERVER_PROP, 4711, &info);
  drain(peer);
  greet(peer);
  CHECK(take(peer) && (peer->header.flags & WIRE_FLAG_RESEND) != 0);
  CHECK(send(peer->fd, "this is not a frame at all", 26, MSG_NOSIGNAL) == 26);
  drain(peer);
  answer_again(peer);
  return NULL;
}

/* Answers on the second connection only. */
static void *answers_again(void *argument) {
  struct peer *peer = argument;
  greet(peer);
  drain(peer);
  answer_again(peer);
  return NULL;
}

/* Three connections in a row that break the protocol. */
static void *rubbish(void *argument) {
  struct peer *peer = argument;
  for (unsigned i = 0; i < 3; i++) {
    greet(peer);
    CHECK(take(peer));
    CHECK(send(peer->fd, "this is not a frame at all", 26, MSG_NOSIGNAL) == 26);
    while (take(peer)) continue;
    close(peer->fd);
  }
  return NULL;
}

/* Takes the hello and says nothing more, ever. */
static void *silent(void *argument) {
  struct peer *peer = argument;
  greet(peer);
  drain(peer);
  return NULL;
}

/* Not even a hello. */
static void *closes(void *argument) {
  struct peer *peer = argument;
  struct pollfd waiting = {.fd = listener, .events = POLLIN};
  while (poll(&waiting, 1, 1500) > 0) {
    peer->fd = accept(listener, NULL, NULL);
    close(peer->fd);
  }
  return NULL;
}

/* Grants the first slot late, frees a slot that was never full. */
static void *frees_wrongly(void *argument) {
  struct peer *peer = argument;
  struct wire_image_opened opened = {.chunk_bytes = 1 << 20, .window = 4};
  uint8_t frame[64];
  greet(peer);
  CHECK(take(peer) && peer->header.type == WIRE_TYPE_IMAGE_CREATE);
  answer(peer, WIRE_TYPE_IMAGE_CREATE, peer->header.id, &opened);
  CHECK(take(peer) && peer->header.type == WIRE_TYPE_SLOT_WANT);
  struct wire_slot_granted granted = {0};
  answer(peer, WIRE_TYPE_SLOT_WANT, peer->header.id, &granted);
  struct wire_slot slot = {1, 0};
  size_t length = wire_encode(frame, sizeof(frame), WIRE_TYPE_SLOT_FREE, 0, 0, &slot);
  CHECK(send(peer->fd, frame, length, MSG_NOSIGNAL) == (ssize_t)length);
  drain(peer);
  /* The plugin comes back and attaches: a fresh start. */
  greet(peer);
  CHECK(take(peer) && peer->header.type == WIRE_TYPE_IMAGE_ATTACH);
  struct wire_image_attached attached = {WIRE_ATTACH_OPEN};
  answer(peer, WIRE_TYPE_IMAGE_ATTACH, peer->header.id, &attached);
  while (take(peer)) {
    struct wire_image_closed closed = {wire_text("done")};
    if (peer->header.type == WIRE_TYPE_IMAGE_CLOSE)
      answer(peer, WIRE_TYPE_IMAGE_CLOSE, peer->header.id, &closed);
  }
  close(peer->fd);
  return NULL;
}

/* Takes no more bytes when it answers a slot request that the image no longer waits for: giving the slot
   back breaks the connection in the middle of what was received. */
static void *breaks_inside(void *argument) {
  struct peer *peer = argument;
  struct wire_image_opened opened = {.chunk_bytes = 1 << 20, .window = 4};
  struct wire_slot_granted granted = {0};
  struct wire_image_closed closed = {wire_text("done")};
  uint8_t frames[256];
  uint32_t ahead;
  greet(peer);
  CHECK(take(peer) && peer->header.type == WIRE_TYPE_IMAGE_CREATE);
  answer(peer, WIRE_TYPE_IMAGE_CREATE, peer->header.id, &opened);
  CHECK(take(peer) && peer->header.type == WIRE_TYPE_SLOT_WANT);
  answer(peer, WIRE_TYPE_SLOT_WANT, peer->header.id, &granted);
  CHECK(take(peer) && peer->header.type == WIRE_TYPE_SLOT_WANT);
  ahead = peer->header.id;
  CHECK(take(peer) && peer->header.type == WIRE_TYPE_SLOT_FULL);
  CHECK(take(peer) && peer->header.type == WIRE_TYPE_IMAGE_CLOSE);
  shutdown(peer->fd, SHUT_RD);
  size_t length = wire_encode(frames, sizeof(frames), WIRE_TYPE_SLOT_WANT | WIRE_ANSWER, 0, ahead, &granted);
  length += wire_encode(frames + length, sizeof(frames) - length, WIRE_TYPE_IMAGE_CLOSE | WIRE_ANSWER, 0,
                        peer->header.id, &closed);
  CHECK(send(peer->fd, frames, length, MSG_NOSIGNAL) == (ssize_t)length);
  greet(peer);
  CHECK(take(peer) && peer->header.type == WIRE_TYPE_IMAGE_ATTACH);
  struct wire_image_attached attached = {WIRE_ATTACH_COMMITTED};
  answer(peer, WIRE_TYPE_IMAGE_ATTACH, peer->header.id, &attached);
  CHECK(take(peer) && peer->header.type == WIRE_TYPE_IMAGE_CLOSE && (peer->header.flags & WIRE_FLAG_RESEND) != 0);
  answer(peer, WIRE_TYPE_IMAGE_CLOSE, peer->header.id, &closed);
  drain(peer);
  return NULL;
}

#define CROWD 8

/* Collects the requests of a crowd and answers the last one first, twice. */
static void *reverse(void *argument) {
  struct peer *peer = argument;
  uint32_t ids[CROWD];
  greet(peer);
  for (unsigned round = 0; round < 2; round++) {
    for (unsigned i = 0; i < CROWD; i++) {
      CHECK(take(peer));
      ids[i] = peer->header.id;
    }
    for (unsigned i = CROWD; i-- > 0;) answer(peer, WIRE_TYPE_SERVER_PROP, ids[i], &info);
  }
  drain(peer);
  return NULL;
}

static struct config config;
static struct log quiet;

static int ask(struct session *session, uint32_t timeout_ms, struct failure *failure) {
  struct wire_server_prop message = {0, wire_text("VastData:x")};
  struct request *request;
  *failure = (struct failure){0};
  int status = session_call(session, WIRE_TYPE_SERVER_PROP, &message, timeout_ms, &request, failure);
  if (status != STS_EOK) return status;
  CHECK(request->message.server_info.capabilities == 5);
  session_done(session, request);
  return status;
}

static void with_peer(void *(*script)(void *), void (*test)(struct session *session)) {
  pthread_t thread;
  struct peer *peer = calloc(1, sizeof(*peer));
  struct failure failure = {0};
  struct session *session = session_new(&config, &quiet, &failure);
  CHECK(session != NULL && peer != NULL);
  pthread_create(&thread, NULL, script, peer);
  test(session);
  session_free(session);
  pthread_join(thread, NULL);
  free(peer);
}

static void test_late(struct session *session) {
  struct failure failure;
  CHECK(ask(session, 100, &failure) == STS_EAGAIN && strstr(failure.cause, "time allowed") != NULL);
  CHECK(session->request_count == 1);
  CHECK(ask(session, 10000, &failure) == STS_EOK);
  CHECK(session->request_count == 0 && session->connection == 1);
}

static void test_misbehaves(struct session *session) {
  struct failure failure;
  CHECK(ask(session, 20000, &failure) == STS_EOK);
  CHECK(session->connection == 3 && session->bad_frames == 0);
}

static void test_rubbish(struct session *session) {
  struct failure failure;
  CHECK(ask(session, 20000, &failure) == STS_EPLUGIN && strstr(failure.cause, "breaks the protocol") != NULL);
}

static void test_silent(struct session *session) {
  struct failure failure;
  CHECK(ask(session, 20000, &failure) == STS_EAGAIN);
}

static void test_closes(struct session *session) {
  struct failure failure;
  CHECK(ask(session, 20000, &failure) == STS_ESOCK);
}

/* Write one image of `length` bytes and close it; the peer makes trouble on the way. */
static void write_one(struct session *session, uint64_t length) {
  struct failure failure = {0};
  sts_image_def_t def = {.img_basename = "x"};
  static uint8_t bytes[1 << 20];
  char report[64] = "";
  uint64_t written = 0;
  pthread_mutex_lock(&session->lock);
  struct image *image = image_new(session, WIRE_MODE_WRITE, "lsu", &def, &failure);
  pthread_mutex_unlock(&session->lock);
  CHECK(image_open(session, image, 0, true, &failure) == STS_EOK);
  CHECK(image_write(session, image, bytes, length, 0, &written, &failure) == STS_EOK && written == length);
  CHECK(image_close(session, image, WIRE_CLOSE_COMPLETE, report, sizeof(report), &failure) == STS_EOK);
  CHECK(strcmp(report, "done") == 0 && session->connection == 2 && session->image_count == 0);
  CHECK(session->slots.free_count == session->slots.layout.slot_count);
}

static void test_frees(struct session *session) { write_one(session, 4096); }
static void test_breaks(struct session *session) { write_one(session, 3 << 18); }

struct asker {
  pthread_t thread;
  struct session *session;
  unsigned rounds;
  int status;
};

static void *ask_thread(void *argument) {
  struct asker *asker = argument;
  struct failure failure;
  for (unsigned i = 0; i < asker->rounds && asker->status == STS_EOK; i++)
    asker->status = ask(asker->session, 30000, &failure);
  return NULL;
}

/* Every thread gets its own answer, whoever reads the socket. */
static void test_crowd(struct session *session) {
  struct asker askers[CROWD];
  for (unsigned i = 0; i < CROWD; i++) {
    askers[i] = (struct asker){.session = session, .rounds = 2};
    pthread_create(&askers[i].thread, NULL, ask_thread, &askers[i]);
  }
  for (unsigned i = 0; i < CROWD; i++) {
    pthread_join(askers[i].thread, NULL);
    CHECK(askers[i].status == STS_EOK);
  }
  CHECK(session->request_count == 0 && session->waiters == NULL && !session->working);
}

/* Terminate wakes those who wait for an engine that says nothing. */
static void test_stop(struct session *session) {
  struct asker askers[CROWD];
  for (unsigned i = 0; i < CROWD; i++) {
    askers[i] = (struct asker){.session = session, .rounds = 1};
    pthread_create(&askers[i].thread, NULL, ask_thread, &askers[i]);
  }
  for (unsigned waiting = 0; waiting < CROWD; sched_yield()) {
    pthread_mutex_lock(&session->lock);
    waiting = session->state == SESSION_UP ? session->request_count : 0;
    pthread_mutex_unlock(&session->lock);
  }
  session_stop(session);
  for (unsigned i = 0; i < CROWD; i++) {
    pthread_join(askers[i].thread, NULL);
    CHECK(askers[i].status == STS_EABORT);
  }
}

static void *ask_briefly(void *argument) {
  struct asker *asker = argument;
  struct failure failure;
  asker->status = ask(asker->session, 5000, &failure);
  return NULL;
}

/* A thread that cannot send finds out that the connection is lost; the one that waits for its bytes makes the next one. */
static void test_lost(struct session *session) {
  struct asker asker = {.session = session};
  pthread_create(&asker.thread, NULL, ask_briefly, &asker);
  for (bool polls = false; !polls; sched_yield()) {
    pthread_mutex_lock(&session->lock);
    polls = session->polling != NULL && session->request_count == 1;
    if (polls) session_lost(session, STS_ESOCK, "broken pipe");
    pthread_mutex_unlock(&session->lock);
  }
  pthread_join(asker.thread, NULL);
  CHECK(asker.status == STS_EOK && session->connection == 2);
}

struct taker {
  pthread_t thread;
  struct session *session;
  unsigned looks;
  uint32_t slot;
  int status;
};

/* Looked at by others as well, who decide whether to wake it. */
static bool slot_there(void *argument) {
  struct taker *taker = argument;
  if (pthread_equal(pthread_self(), taker->thread)) taker->looks++;
  return session_slot_free(taker->session);
}

static void *take_slot(void *argument) {
  struct taker *taker = argument;
  struct failure failure = {0};
  pthread_mutex_lock(&taker->session->lock);
  taker->thread = pthread_self();
  taker->status = session_wait_slot(taker->session, slot_there, taker, clock_now() + 5000, &failure);
  if (taker->status == STS_EOK) taker->slot = slots_take(&taker->session->slots, 1);
  pthread_mutex_unlock(&taker->session->lock);
  return NULL;
}

static unsigned waiting(struct session *session) {
  unsigned count = 0;
  pthread_mutex_lock(&session->lock);
  for (const struct waiter *waiter = session->waiters; waiter != NULL; waiter = waiter->next) count++;
  pthread_mutex_unlock(&session->lock);
  return count;
}

static bool polls(struct session *session) {
  pthread_mutex_lock(&session->lock);
  bool polls = session->polling != NULL;
  pthread_mutex_unlock(&session->lock);
  return polls;
}

static unsigned looks_of(struct session *session, const struct taker *takers) {
  unsigned looks = 0;
  pthread_mutex_lock(&session->lock);
  for (unsigned i = 0; i < CROWD; i++) looks += takers[i].looks;
  pthread_mutex_unlock(&session->lock);
  return looks;
}

/* A free slot wakes one of those who wait for one, in the order in which they came, the one that waits for the engine too. */
static void test_slots(struct session *session) {
  struct taker takers[CROWD];
  uint32_t held[4];
  pthread_mutex_lock(&session->lock);
  for (unsigned i = 0; i < 4; i++) held[i] = slots_take(&session->slots, 1);
  CHECK(session->slots.free_count == 0);
  pthread_mutex_unlock(&session->lock);
  for (unsigned i = 0; i < CROWD; i++) {
    takers[i] = (struct taker){.session = session, .slot = SLOT_NONE};
    pthread_create(&takers[i].thread, NULL, take_slot, &takers[i]);
    while (waiting(session) < i + 1) sched_yield();
  }
  for (unsigned i = 0; i < CROWD; i++) {
    /* Until then the looks of the turn before are not all counted. */
    while (!polls(session)) sched_yield();
    unsigned before = looks_of(session, takers);
    uint64_t deadline = clock_now() + 4000;
    pthread_mutex_lock(&session->lock);
    session_give_slot(session, i < 4 ? held[i] : takers[i - 4].slot);
    pthread_mutex_unlock(&session->lock);
    while (waiting(session) > CROWD - i - 1 && clock_now() < deadline) sched_yield();
    pthread_join(takers[i].thread, NULL);
    CHECK(takers[i].status == STS_EOK && takers[i].slot != SLOT_NONE);
    /* It, and who waits for the engine in its place. */
    CHECK(looks_of(session, takers) - before <= 4);
  }
}

/* An image that is closed gives the slots that it kept back after the engine's answer, and no other message comes. */
static void test_closed(struct session *session) {
  struct failure failure = {0};
  sts_image_def_t def = {.img_basename = "x"};
  struct taker taker = {.session = session, .slot = SLOT_NONE};
  pthread_mutex_lock(&session->lock);
  struct image *image = image_new(session, WIRE_MODE_READ, "lsu", &def, &failure);
  for (unsigned i = 0; i < 4; i++) image_slot_add(image, slots_take(&session->slots, 1), SLOT_READ);
  CHECK(session->slots.free_count == 0);
  pthread_mutex_unlock(&session->lock);
  pthread_create(&taker.thread, NULL, take_slot, &taker);
  while (waiting(session) < 1) sched_yield();
  pthread_mutex_lock(&session->lock);
  image_free(session, image);
  pthread_mutex_unlock(&session->lock);
  pthread_join(taker.thread, NULL);
  CHECK(taker.status == STS_EOK && taker.slot != SLOT_NONE);
}

struct stream {
  pthread_t thread;
  struct session *session;
  struct image *image;
  int status;
};

static void *wait_slot(void *argument) {
  struct stream *stream = argument;
  struct failure failure = {0};
  uint32_t slot;
  pthread_mutex_lock(&stream->session->lock);
  stream->status = image_wait_slot(stream->session, stream->image, 1, clock_now() + 5000, &slot, &failure);
  if (stream->status == STS_EOK) session_give_slot(stream->session, slot);
  pthread_mutex_unlock(&stream->session->lock);
  return NULL;
}

/* Ranges that a reader keeps while it does nothing are taken by who waits. The engine says no more than that it lives. */
static void test_kept(struct session *session) {
  struct failure failure = {0};
  sts_image_def_t def = {.img_basename = "x"};
  pthread_mutex_lock(&session->lock);
  struct image *reader = image_new(session, WIRE_MODE_READ, "lsu", &def, &failure);
  struct image *writer = image_new(session, WIRE_MODE_WRITE, "lsu", &def, &failure);
  for (unsigned i = 0; i < 4; i++)
    image_slot_add(reader, slots_take(&session->slots, 1), SLOT_READ)->pinned = true;
  pthread_mutex_unlock(&session->lock);
  struct stream stream = {.session = session, .image = writer};
  pthread_create(&stream.thread, NULL, wait_slot, &stream);
  while (waiting(session) < 1) sched_yield();
  pthread_mutex_lock(&session->lock);
  for (struct slot *slot = reader->slots; slot != NULL; slot = slot->next) slot->pinned = false;
  pthread_mutex_unlock(&session->lock);
  pthread_join(stream.thread, NULL);
  CHECK(stream.status == STS_EOK && reader->slot_count == 3);
  pthread_mutex_lock(&session->lock);
  /* The peer could not send its answer to the last ping on a connection that is closed. */
  for (; session->state == SESSION_UP && session->ping_sent; session_poll(session)) {
    pthread_mutex_unlock(&session->lock);
    sched_yield();
    pthread_mutex_lock(&session->lock);
  }
  image_free(session, reader);
  image_free(session, writer);
  pthread_mutex_unlock(&session->lock);
}

int main(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char folder[] = "/tmp/vost-session-XXXXXX";
  CHECK(mkdtemp(folder) != NULL);
  snprintf(socket_path, sizeof(socket_path), "%s/s", folder);
  memcpy(address.sun_path, socket_path, sizeof(address.sun_path));
  listener = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(listener, 4) == 0);
  config_defaults(&config);
  memcpy(config.socket, socket_path, sizeof(config.socket));
  config.slot_bytes = 1 << 20;
  config.slot_count = 4;
  log_open(&quiet, "", LOG_ERROR);
  with_peer(late_answer, test_late);
  with_peer(misbehaves, test_misbehaves);
  with_peer(rubbish, test_rubbish);
  with_peer(frees_wrongly, test_frees);
  with_peer(breaks_inside, test_breaks);
  with_peer(reverse, test_crowd);
  with_peer(silent, test_stop);
  with_peer(answers_again, test_lost);
  with_peer(silent, test_slots);
  with_peer(silent, test_closed);
  config.engine_timeout_ms = 3000;
  with_peer(late_answer, test_kept);
  config.engine_timeout_ms = 300;
  config.connect_timeout_ms = 200;
  with_peer(silent, test_silent);
  with_peer(closes, test_closes);
  log_close(&quiet);
  close(listener);
  unlink(socket_path);
  rmdir(folder);
  return check_done("session");
}
