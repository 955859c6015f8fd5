/*
 * One session: the connection of this process to the engine, the requests under way, the servers, images
 * and copies that have to be attached again after a reconnect. Everything here is guarded by `lock`.
 *
 * The plugin has no threads. Of the calls that wait, one works: it reads the socket, or connects, and
 * hands what arrived to the others; when it has what it wants, it passes that duty on.
 */
#ifndef VOST_SESSION_H
#define VOST_SESSION_H

#include "../wire/codec.h"
#include "clock.h"
#include "config.h"
#include "failure.h"
#include "log.h"
#include "slots.h"
#include <pthread.h>

struct session;
struct image;
struct slot;

/* A request under way. Kept as sent, so that it can be sent again after a reconnect. */
struct request {
  struct request *next;
  uint32_t id;
  uint16_t type;
  uint8_t *frame;
  size_t length;
  bool done;       /* `result` and, for 0, `message` are there; strings point into `answer` */
  bool transient;  /* ping or attach: not sent again */
  uint32_t result; /* enum wire_result */
  uint64_t detail;
  char cause[WIRE_MAX_CAUSE + 1];
  uint8_t *answer;
  union wire_any message;
  /* Not NULL: nobody waits. Called once when the answer came or the connection ended, with the session's
     lock; frees what the answer granted. The request is freed afterwards. `lost`: no answer will come. */
  void (*orphan)(struct session *session, struct request *request, bool lost);
  struct image *image; /* for the orphan, like the next two */
  uint64_t handle;
  uint32_t slot; /* the slot that the orphan gives back, or SLOT_NONE */
};

/* Something to announce again after a reconnect: a server or a copy. */
struct announced {
  struct announced *next;
  uint64_t number;
  uint16_t type;  /* SERVER_OPEN or COPY_START */
  uint8_t *frame; /* may hold a password: wiped before it is freed */
  size_t length;
};

struct waiter {
  struct waiter *next;
  pthread_cond_t cond;
  bool (*ready)(void *argument);
  void *argument;
  bool takes_slot; /* what it waits for is one of the free slots */
};

enum session_state { SESSION_DOWN, SESSION_UP };

struct session {
  pthread_mutex_t lock;
  const struct config *config;
  struct log *log;
  uint8_t key[16];
  struct slots slots;

  enum session_state state;
  int fd;              /* the connection, or the one being made; -1: none */
  uint32_t connection; /* counts connections made */
  bool working;        /* a thread has the duty to read or connect */
  bool stopping;
  bool gave_up;   /* nobody tries to connect until a call begins anew */
  bool unsettled; /* broken before, and not good for long since */
  bool arena_wish_used;
  uint32_t bad_frames; /* connections in a row that ended with a bad frame */
  uint64_t broken_since, connected_at, give_up_at;
  uint64_t next_attempt;
  uint64_t backoff;
  uint64_t quiet_since; /* last byte received, or begin of waiting */
  bool ping_sent;
  struct failure trouble; /* why there is no connection */

  uint8_t *out; /* bytes that the socket did not take yet */
  size_t out_length, out_space;
  uint8_t *in; /* frames not complete yet; WIRE_MAX_FRAME bytes */
  size_t in_length;

  uint32_t next_id;
  uint64_t next_number; /* for handles, servers, operations */
  struct request *requests, **requests_end;
  struct announced *announced;
  struct image *images;
  struct waiter *waiters; /* who came first is first */
  struct waiter *polling; /* the one that waits for bytes of the engine, without the lock */
  int wake_fd;            /* an eventfd that ends that */
  uint32_t promised;      /* while they are woken: free slots that somebody was woken for */
  uint32_t request_count, image_count, copy_count;
};

struct session *session_new(const struct config *config, struct log *log, struct failure *failure);
/* Everything is closed and freed. No call may be in progress. */
void session_free(struct session *session);
/* In a forked child: free without a word to the engine and without the mapping. */
void session_forget(struct session *session);
/* Make all waiting calls fail. Takes the lock itself. */
void session_stop(struct session *session);

/* ---- with the lock held ---- */
uint64_t session_number(struct session *session);

/* Encode and send a request; NULL with `failure` when it is out of bounds or memory. */
struct request *request_start(struct session *session, uint16_t type, const void *message,
                              struct failure *failure);
/* Put a request with a ready frame into the list under a fresh id; not sent. Takes both over. */
void request_adopt(struct session *session, struct request *request, uint16_t type, uint8_t *frame,
                   size_t length);
/* Wait for the answer. STS_EOK, or the engine's error, or why none came. On anything but STS_EOK with `done`
   false the request is still under way: free or orphan it. */
int request_wait(struct session *session, struct request *request, uint64_t deadline, struct failure *failure);
/* The result of a request that is done, as an STS number. */
int request_result(const struct request *request, struct failure *failure);
/* Forget a request. One that is not done is left to `orphan` (NULL: its answer is dropped). */
void request_end(struct session *session, struct request *request,
                 void (*orphan)(struct session *, struct request *, bool lost));

/* Send a notice. Lost when there is no connection: ATTACH says the same later. */
void session_notify(struct session *session, uint16_t type, const void *message);

/* Wait until `ready` says true, working for all meanwhile. */
int session_wait(struct session *session, bool (*ready)(void *), void *argument, uint64_t deadline,
                 struct failure *failure);
/* The same, `ready` being about a free slot (session_slot_free) that the caller takes before it lets the lock go. If it does
   not, it calls session_wake: of many who wait for slots, as many are woken as there are. */
int session_wait_slot(struct session *session, bool (*ready)(void *), void *argument, uint64_t deadline,
                      struct failure *failure);
bool session_slot_free(const struct session *session);
/* Give a slot back and wake who waits for one: no message of the engine announces what another thread of the host gives. */
void session_give_slot(struct session *session, uint32_t slot);
void session_wake(struct session *session);
/* Take what has arrived, without waiting. */
void session_poll(struct session *session);
/* Wait until the socket took what was sent. */
void session_drain(struct session *session);
/* The connection is gone. */
void session_lost(struct session *session, int status, const char *why);

/* Keep a frame to announce again; the request's own. */
int session_announce(struct session *session, uint64_t number, const struct request *request,
                     struct failure *failure);
void session_retract(struct session *session, uint64_t number);

/* ---- parts that live in other files ---- */
/* connect.c: one attempt; without the lock inside. True: connected. */
bool session_connect(struct session *session, uint64_t until);
/* attach.c: announce everything again on a fresh connection. */
void session_replay(struct session *session);
/* request.c: requests whose answers will never come: their orphans run. */
void session_drop_orphans(struct session *session);
/* request.c: handle what is in `in`. False: a bad frame. */
bool session_dispatch(struct session *session);
/* Append bytes to be sent, try to send. */
void session_send(struct session *session, const uint8_t *frame, size_t length);

/* ---- without the lock ---- */
/* A whole exchange. On STS_EOK `*request` holds the answer and must be given to session_done. */
int session_call(struct session *session, uint16_t type, const void *message, uint32_t timeout_ms,
                 struct request **request, struct failure *failure);
void session_done(struct session *session, struct request *request);

#endif
