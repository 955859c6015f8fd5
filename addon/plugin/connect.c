/* Making a connection: socket, hello with the shared memory, the engine's answer. */
#include "session.h"
#include "status.h"
#include "stspi.h"
#include "version.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Everything an attempt needs, so that it can run without the session's lock. */
struct attempt {
  int fd;
  uint64_t until;
  uint8_t hello[WIRE_HELLO_BYTES];
  int memory;
  uint8_t answer[4096];
  size_t answer_length;
  struct failure failure;
};

static void program_name(char *out, size_t space) {
  FILE *file = fopen("/proc/self/comm", "re");
  if (file == NULL) return;
  if (fgets(out, (int)space, file) == NULL) out[0] = 0;
  out[strcspn(out, "\n")] = 0;
  fclose(file);
}

static void make_hello(const struct session *session, uint8_t frame[WIRE_HELLO_BYTES]) {
  const struct arena_layout *layout = &session->slots.layout;
  struct wire_hello hello = {
      .magic = WIRE_HELLO_MAGIC,
      .major = WIRE_MAJOR,
      .minor = WIRE_MINOR,
      .connection = session->connection,
      .arena_bytes = layout->arena_bytes,
      .slots_offset = layout->slots_offset,
      .slot_bytes = layout->slot_bytes,
      .slot_count = layout->slot_count,
      .journal_bytes = layout->journal_bytes,
      .journal_count = layout->journal_count,
      .pid = (uint32_t)getpid(),
  };
  memcpy(hello.session, session->key, sizeof(hello.session));
  program_name(hello.program, sizeof(hello.program));
  snprintf(hello.version, sizeof(hello.version), "%s", VOST_VERSION);
  wire_encode(frame, WIRE_HELLO_BYTES, WIRE_TYPE_HELLO, 0, 1, &hello);
}

static bool wait_for(struct attempt *attempt, short events) {
  uint64_t now = clock_now();
  struct pollfd poll_fd = {.fd = attempt->fd, .events = events};
  while (now < attempt->until) {
    int count = poll(&poll_fd, 1, (int)clock_earlier(attempt->until - now, 3600000));
    if (count > 0) return true;
    now = clock_now();
  }
  fail(&attempt->failure, STS_EAGAIN, "the engine does not answer the first message");
  return false;
}

static bool send_hello(struct attempt *attempt) {
  struct iovec bytes = {.iov_base = attempt->hello, .iov_len = WIRE_HELLO_BYTES};
  union {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(int))];
  } control;
  memset(&control, 0, sizeof(control));
  struct msghdr message = {
      .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room)};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &attempt->memory, sizeof(int));
  /* A fresh socket's buffer takes 256 bytes in one go. */
  if (sendmsg(attempt->fd, &message, MSG_NOSIGNAL) == WIRE_HELLO_BYTES) return true;
  fail(&attempt->failure, STS_ESOCK, "cannot send the first message: %s", strerror(errno));
  return false;
}

/* Read exactly the answer frame: what follows belongs to the session's buffer. */
static bool read_answer(struct attempt *attempt) {
  size_t wanted = WIRE_HEADER_BYTES;
  while (attempt->answer_length < wanted) {
    if (!wait_for(attempt, POLLIN)) return false;
    ssize_t got = recv(attempt->fd, attempt->answer + attempt->answer_length, wanted - attempt->answer_length,
                       MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) {
      fail(&attempt->failure, STS_ESOCK, "the engine closed the connection before it answered");
      return false;
    }
    attempt->answer_length += (size_t)got;
    struct wire_header header;
    if (attempt->answer_length != WIRE_HEADER_BYTES) continue;
    if (wire_header_read(attempt->answer, &header) != WIRE_DECODE_OK ||
        header.length > sizeof(attempt->answer)) {
      fail(&attempt->failure, STS_EPLUGIN, "what listens on the socket is not the engine");
      return false;
    }
    wanted = header.length;
  }
  return true;
}

static bool exchange(struct attempt *attempt, const struct sockaddr_un *address) {
  if (connect(attempt->fd, (const struct sockaddr *)address, sizeof(*address)) != 0) {
    fail(&attempt->failure, errno == EACCES ? STS_EACCESS : STS_ESOCK, "cannot reach the engine at %s: %s",
         address->sun_path, strerror(errno));
    return false;
  }
  return send_hello(attempt) && read_answer(attempt);
}

/* The engine's wish for other sizes can be granted while nothing is open. */
static bool grant_wish(struct session *session, uint64_t wish) {
  uint32_t slot_bytes = (uint32_t)wish, slot_count = (uint32_t)(wish >> 32);
  if (session->image_count > 0 || session->arena_wish_used || slot_bytes == 0) return false;
  if (slot_count == 0 || slot_count > session->config->slot_count) slot_count = session->config->slot_count;
  session->arena_wish_used = true;
  struct slots made;
  struct failure ignored = {0};
  if (slots_make(&made, slot_bytes, slot_count, session->key, &ignored) != STS_EOK) return false;
  slots_destroy(&session->slots);
  session->slots = made;
  return true;
}

/* Look at the engine's answer. A refusal that waiting does not cure ends the attempts. */
static bool accepted(struct session *session, struct attempt *attempt) {
  struct wire_header header;
  const struct wire_group *group;
  union wire_any message;
  if (wire_decode(attempt->answer, attempt->answer_length, &header, &group, &message, sizeof(message)) !=
          WIRE_DECODE_OK ||
      header.type != (WIRE_TYPE_HELLO | WIRE_ANSWER)) {
    fail(&session->trouble, STS_EPLUGIN, "what listens on the socket is not the engine");
    return false;
  }
  if (group == &wire_group_hello_ok) {
    if (message.hello_ok.major == WIRE_MAJOR && message.hello_ok.minor <= WIRE_MINOR) return true;
    fail(&session->trouble, STS_EPLUGIN, "the engine speaks protocol %u.%u, this plugin %d.%d",
         message.hello_ok.major, message.hello_ok.minor, WIRE_MAJOR, WIRE_MINOR);
    session->give_up_at = clock_now();
    return false;
  }
  char cause[WIRE_MAX_CAUSE + 1];
  wire_copy_text(message.error.cause, cause, sizeof(cause));
  fail(&session->trouble, status_of_result(message.error.result), "refused by the engine: %s", cause);
  if (message.error.result == WIRE_ARENA && grant_wish(session, message.error.detail)) return false;
  if (message.error.result != WIRE_AGAIN && message.error.result != WIRE_LIMIT)
    session->give_up_at = clock_now();
  return false;
}

bool session_connect(struct session *session, uint64_t until) {
  struct attempt *attempt = calloc(1, sizeof(*attempt));
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (attempt == NULL) return false;
  memcpy(address.sun_path, session->config->socket, sizeof(address.sun_path));
  make_hello(session, attempt->hello);
  attempt->until = until;
  attempt->memory = session->slots.fd;
  attempt->fd = session->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  bool good = attempt->fd >= 0;
  if (good) {
    pthread_mutex_unlock(&session->lock);
    good = exchange(attempt, &address);
    pthread_mutex_lock(&session->lock);
  } else {
    fail(&attempt->failure, STS_ESYSCALL, "cannot make a socket: %s", strerror(errno));
  }
  if (!good) session->trouble = attempt->failure;
  good = good && accepted(session, attempt) && !session->stopping;
  if (good) {
    session->state = SESSION_UP;
    session->connection++;
    log_line(session->log, LOG_INFO, NULL, "connected to the engine at %s (connection %u)", address.sun_path,
             session->connection);
  } else if (session->fd >= 0) {
    close(session->fd);
    session->fd = -1;
  }
  free(attempt);
  return good;
}
