#include "session.h"
#include "image.h"
#include "stspi.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_BACKOFF_MS 50
#define LAST_BACKOFF_MS 2000
/* A connection that lived this long was a good one. */
#define SETTLED_MS 5000

struct session *session_new(const struct config *config, struct log *log, struct failure *failure) {
  struct session *session = calloc(1, sizeof(*session));
  uint8_t *in = malloc(WIRE_MAX_FRAME);
  if (session == NULL || in == NULL) {
    free(session);
    free(in);
    fail(failure, STS_ENOMEM, "no memory for a session");
    return NULL;
  }
  pthread_mutex_init(&session->lock, NULL);
  session->config = config;
  session->log = log;
  session->in = in;
  session->fd = -1;
  session->gave_up = true;
  session->requests_end = &session->requests;
  session->next_id = session->next_number = 1;
  session->slots.fd = -1;
  session->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (session->wake_fd < 0) {
    fail(failure, STS_ESYSCALL, "no eventfd for a session: %s", strerror(errno));
    session_free(session);
    return NULL;
  }
  if (getrandom(session->key, sizeof(session->key), 0) != (ssize_t)sizeof(session->key) ||
      slots_make(&session->slots, config->slot_bytes, config->slot_count, session->key, failure) != STS_EOK) {
    if (failure->status == STS_EOK) fail(failure, STS_ESYSCALL, "no random bytes for a session key");
    session_free(session);
    return NULL;
  }
  return session;
}

static void free_announced(struct announced *announced) {
  explicit_bzero(announced->frame, announced->length);
  free(announced->frame);
  free(announced);
}

static void free_all(struct session *session) {
  if (session->fd >= 0) close(session->fd);
  if (session->wake_fd >= 0) close(session->wake_fd);
  while (session->requests != NULL) {
    struct request *request = session->requests;
    session->requests = request->next;
    explicit_bzero(request->frame, request->length);
    free(request->frame);
    free(request->answer);
    free(request);
  }
  while (session->announced != NULL) {
    struct announced *announced = session->announced;
    session->announced = announced->next;
    free_announced(announced);
  }
  while (session->images != NULL) image_free(session, session->images);
  slots_destroy(&session->slots);
  if (session->out != NULL) explicit_bzero(session->out, session->out_space);
  free(session->out);
  free(session->in);
  pthread_mutex_destroy(&session->lock);
  free(session);
}

void session_free(struct session *session) {
  free_all(session);
}

void session_forget(struct session *session) {
  /* MADV_DONTFORK: the parent's mapping is not here; at its address anything may come. */
  session->slots.base = NULL;
  free_all(session);
}

void session_stop(struct session *session) {
  pthread_mutex_lock(&session->lock);
  session->stopping = true;
  if (session->fd >= 0) shutdown(session->fd, SHUT_RDWR);
  for (struct waiter *waiter = session->waiters; waiter != NULL; waiter = waiter->next)
    pthread_cond_signal(&waiter->cond);
  pthread_mutex_unlock(&session->lock);
}

uint64_t session_number(struct session *session) {
  return session->next_number++;
}

static uint64_t next_backoff(uint64_t backoff) {
  return clock_earlier(backoff * 2, LAST_BACKOFF_MS);
}

void session_lost(struct session *session, int status, const char *why) {
  if (session->state != SESSION_UP) return;
  uint64_t now = clock_now();
  fail(&session->trouble, status, "connection to the engine lost: %s", why);
  log_line(session->log, LOG_WARNING, NULL, "%s; %u images open", session->trouble.cause, session->image_count);
  close(session->fd);
  session->fd = -1;
  /* Who waits for bytes of this connection would not notice. */
  if (session->polling != NULL) eventfd_write(session->wake_fd, 1);
  session->state = SESSION_DOWN;
  session->out_length = session->in_length = 0;
  session->gave_up = false;
  session->next_attempt = now;
  if (now - session->connected_at >= SETTLED_MS || !session->unsettled) {
    session->broken_since = now;
    session->backoff = FIRST_BACKOFF_MS;
  } else {
    /* It broke again right after it was made: do not spin, and do not start patience anew. */
    session->next_attempt += session->backoff;
    session->backoff = next_backoff(session->backoff);
  }
  session->unsettled = true;
  bool work_at_stake = session->image_count > 0 || session->copy_count > 0;
  session->give_up_at = session->broken_since + (work_at_stake ? session->config->reconnect_patience_ms
                                                               : session->config->connect_timeout_ms);
}

/* ---- sending ---- */
static bool try_send(struct session *session) {
  while (session->state == SESSION_UP && session->out_length > 0) {
    ssize_t sent = send(session->fd, session->out, session->out_length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (sent < 0) {
      session_lost(session, STS_ESOCK, strerror(errno));
      return false;
    }
    explicit_bzero(session->out, (size_t)sent);
    session->out_length -= (size_t)sent;
    memmove(session->out, session->out + sent, session->out_length);
  }
  return true;
}

void session_send(struct session *session, const uint8_t *frame, size_t length) {
  if (session->state != SESSION_UP) return;
  if (session->out_length + length > session->out_space) {
    size_t space = session->out_space == 0 ? 8192 : session->out_space;
    while (space < session->out_length + length) space *= 2;
    uint8_t *out = malloc(space);
    if (out == NULL) {
      session_lost(session, STS_ENOMEM, "no memory to send");
      return;
    }
    if (session->out_length > 0) memcpy(out, session->out, session->out_length);
    if (session->out != NULL) explicit_bzero(session->out, session->out_space);
    free(session->out);
    session->out = out;
    session->out_space = space;
  }
  memcpy(session->out + session->out_length, frame, length);
  session->out_length += length;
  try_send(session);
}

void session_drain(struct session *session) {
  uint64_t deadline = clock_now() + session->config->engine_timeout_ms;
  uint32_t connection = session->connection;
  while (session->connection == connection && !try_send(session) && session->state == SESSION_UP) {
    uint64_t now = clock_now();
    if (session->stopping) return;
    if (now >= deadline) {
      session_lost(session, STS_EAGAIN, "the engine takes no messages");
      return;
    }
    struct pollfd poll_fd = {.fd = session->fd, .events = POLLOUT};
    pthread_mutex_unlock(&session->lock);
    poll(&poll_fd, 1, (int)clock_earlier(deadline - now, 1000));
    pthread_mutex_lock(&session->lock);
  }
}

void session_notify(struct session *session, uint16_t type, const void *message) {
  uint8_t frame[64 + WIRE_HEADER_BYTES];
  size_t length = wire_encode(frame, sizeof(frame), type, 0, 0, message);
  session_send(session, frame, length);
}

/* ---- receiving ---- */
void session_wake(struct session *session) {
  for (struct waiter *waiter = session->waiters; waiter != NULL; waiter = waiter->next) {
    if (!waiter->ready(waiter->argument)) continue;
    /* What it waits for in poll() is what somebody else has taken. */
    if (waiter == session->polling)
      eventfd_write(session->wake_fd, 1);
    else
      pthread_cond_signal(&waiter->cond);
    /* All that wait for slots, woken for one, would only take the lock from those who work. */
    if (waiter->takes_slot && session_slot_free(session)) session->promised++;
  }
  session->promised = 0;
}

bool session_slot_free(const struct session *session) {
  return session->slots.free_count > session->promised;
}

void session_give_slot(struct session *session, uint32_t slot) {
  slots_give(&session->slots, slot);
  session_wake(session);
}

void session_poll(struct session *session) {
  bool news = false;
  while (session->state == SESSION_UP) {
    ssize_t got =
        recv(session->fd, session->in + session->in_length, WIRE_MAX_FRAME - session->in_length, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    news = true;
    if (got <= 0) {
      session_lost(session, STS_ESOCK, got == 0 ? "closed by the engine" : strerror(errno));
      break;
    }
    session->in_length += (size_t)got;
    session->quiet_since = clock_now();
    session->ping_sent = false;
    if (!session_dispatch(session)) {
      session->bad_frames++;
      session_lost(session, STS_EPLUGIN, "the engine sent a frame that breaks the protocol");
    }
  }
  if (news) session_wake(session);
}

static void check_silence(struct session *session) {
  uint64_t quiet = clock_now() - session->quiet_since;
  if (quiet >= session->config->engine_timeout_ms) {
    session_lost(session, STS_EAGAIN, "the engine does not answer");
  } else if (quiet >= session->config->engine_timeout_ms / 3 && !session->ping_sent) {
    struct failure ignored = {0};
    struct wire_empty empty = {0};
    struct request *ping = request_start(session, WIRE_TYPE_PING, &empty, &ignored);
    if (ping == NULL) return;
    ping->transient = true;
    session->ping_sent = true;
    request_end(session, ping, NULL);
  }
}

/* One round of work on the connection: wait for bytes, take them. */
static void work_round(struct session *session, struct waiter *self, uint64_t until) {
  uint64_t now = clock_now();
  uint64_t silence = session->quiet_since + (session->ping_sent ? session->config->engine_timeout_ms
                                                                : session->config->engine_timeout_ms / 3);
  uint64_t wake = clock_earlier(until, silence);
  uint64_t wait = wake > now ? wake - now : 0;
  struct pollfd fds[] = {{.fd = session->fd, .events = POLLIN}, {.fd = session->wake_fd, .events = POLLIN}};
  uint32_t connection = session->connection;
  eventfd_t woken;
  session->polling = self;
  pthread_mutex_unlock(&session->lock);
  poll(fds, 2, (int)clock_earlier(wait + 1, 3600000));
  pthread_mutex_lock(&session->lock);
  session->polling = NULL;
  if (fds[1].revents != 0) eventfd_read(session->wake_fd, &woken);
  if (session->connection != connection || session->state != SESSION_UP) return;
  session_poll(session);
  if (session->state == SESSION_UP) check_silence(session);
}

/* One round of work without a connection: wait for the next attempt's time, or make it. */
static void connect_round(struct session *session, struct waiter *self, uint64_t until) {
  uint64_t now = clock_now();
  if (now < session->next_attempt) {
    struct timespec time = clock_timespec(clock_earlier(until, session->next_attempt));
    pthread_cond_timedwait(&self->cond, &session->lock, &time);
    return;
  }
  if (session_connect(session, clock_earlier(until, now + session->config->engine_timeout_ms))) {
    session->connected_at = session->quiet_since = clock_now();
    session_replay(session);
    session_wake(session);
    return;
  }
  session->next_attempt = clock_now() + session->backoff;
  session->backoff = next_backoff(session->backoff);
}

/* ---- waiting ---- */
static void begin_waiting(struct session *session) {
  uint64_t now = clock_now();
  if (session->waiters == NULL) session->quiet_since = now;
  if (session->state == SESSION_DOWN && session->gave_up) {
    session->gave_up = session->unsettled = false;
    session->broken_since = now;
    session->give_up_at = now + session->config->connect_timeout_ms;
    session->next_attempt = now;
    session->backoff = FIRST_BACKOFF_MS;
    session->bad_frames = 0;
  }
}

static void give_up(struct session *session) {
  if (session->gave_up) return;
  session->gave_up = true;
  log_line(session->log, LOG_ERROR, NULL, "giving up: %s", session->trouble.cause);
  for (struct image *image = session->images; image != NULL; image = image->next)
    image_fail(image, STS_ESOCK, "the engine did not come back");
}

/* True when waiting has ended, with the status in `failure`. */
static bool waiting_over(struct session *session, uint64_t deadline, struct failure *failure) {
  uint64_t now = clock_now();
  if (session->stopping) {
    fail(failure, STS_EABORT, "the plugin is being terminated");
    return true;
  }
  if (session->state == SESSION_DOWN &&
      (session->gave_up || now >= session->give_up_at || session->bad_frames >= 3)) {
    give_up(session);
    if (session->trouble.status == STS_EOK)
      fail(failure, STS_ESOCK, "no connection to the engine");
    else
      *failure = session->trouble;
    return true;
  }
  if (now < deadline) return false;
  fail(failure, STS_EAGAIN, "no answer from the engine within the time allowed");
  return true;
}

static int wait_in_line(struct session *session, struct waiter self, uint64_t deadline, struct failure *failure) {
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&self.cond, &monotonic);
  pthread_condattr_destroy(&monotonic);
  begin_waiting(session);
  struct waiter **end = &session->waiters;
  while (*end != NULL) end = &(*end)->next;
  *end = &self;
  int status = STS_EOK;
  while (!self.ready(self.argument)) {
    if (waiting_over(session, deadline, failure)) {
      status = failure->status;
      break;
    }
    session_drain(session);
    if (self.ready(self.argument)) break;
    uint64_t until = session->state == SESSION_DOWN ? clock_earlier(deadline, session->give_up_at) : deadline;
    if (session->working) {
      struct timespec time = clock_timespec(until);
      pthread_cond_timedwait(&self.cond, &session->lock, &time);
      continue;
    }
    session->working = true;
    if (session->state == SESSION_UP)
      work_round(session, &self, until);
    else if (!session->stopping)
      connect_round(session, &self, until);
    session->working = false;
  }
  struct waiter **link = &session->waiters;
  while (*link != &self) link = &(*link)->next;
  *link = self.next;
  /* Somebody else has to take the duty over. */
  if (!session->working && session->waiters != NULL) pthread_cond_signal(&session->waiters->cond);
  pthread_cond_destroy(&self.cond);
  return status;
}

int session_wait(struct session *session, bool (*ready)(void *), void *argument, uint64_t deadline,
                 struct failure *failure) {
  if (ready(argument)) return STS_EOK;
  struct waiter waiter = {.ready = ready, .argument = argument};
  return wait_in_line(session, waiter, deadline, failure);
}

int session_wait_slot(struct session *session, bool (*ready)(void *), void *argument, uint64_t deadline,
                      struct failure *failure) {
  if (ready(argument)) return STS_EOK;
  struct waiter waiter = {.ready = ready, .argument = argument, .takes_slot = true};
  return wait_in_line(session, waiter, deadline, failure);
}
