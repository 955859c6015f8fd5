/* What every stsp_ function begins and ends with. */
#ifndef VOST_CALL_H
#define VOST_CALL_H

#include "config.h"
#include "failure.h"
#include "image.h"
#include "log.h"
#include "registry.h"
#include "session.h"
#include "stspi.h"
#include <pthread.h>
#include <sys/types.h>

/* The state of the plugin in this process. */
struct runtime {
  pthread_mutex_t lock;
  pthread_cond_t idle; /* `calls` became 0 */
  uint32_t inits;
  uint32_t calls; /* in progress */
  bool stopping;
  uint8_t epoch;
  pid_t pid;
  struct config config;
  struct log log;
  struct registry registry;
  struct session *session; /* made by the first call that needs the engine */
};

extern struct runtime runtime;

/* An open server, as the host's handle refers to it. */
struct server {
  uint64_t number;
  char name[STS_MAX_STSNAME];
  char job[64];
  void (*log)(void *context, int severity, const char *line);
  void *log_context;
};

/* One call. `failure` receives the cause. */
struct call {
  struct failure failure;
  struct log_origin origin;
  const void *handle;       /* acquired, released by call_end; NULL: none */
  const void *image_server; /* the server of the image in use: looked up when there is something to log */
  const void *second;       /* another one: the server of a copy's target */
  void *object;
  bool begun;
  char job[64]; /* copies: the server may be closed before the line is written */
  char server_name[STS_MAX_STSNAME];
};

/* Begin. STS_EOK, or what call_end has to return. */
int call_begin(struct call *call, const char *function);
/* Begin with a handle of a kind; its object is in call->object. */
int call_begin_with(struct call *call, const char *function, enum handle_kind kind, const void *handle);
/* End: log the failure, release. The value is what the stsp_ function returns. */
int call_end(struct call *call, int status);

/* The session, made if there is none. */
int call_session(struct call *call, struct session **session);
/* Acquire a server for the rest of the call (call_begin before). */
int call_server(struct call *call, stsp_server_handle_t handle, struct server **server);
/* Give `object` a handle; on failure the object stays the caller's. */
int call_register(struct call *call, enum handle_kind kind, void *object, void **handle);
void call_origin(struct call *call, const struct server *server);

/* ---- strings.c: bounded copies of what the host gives ---- */
/* Copy a string that ends within `space` bytes (with its NUL) into out[space]. */
int copy_string(struct call *call, const char *what, const char *text, char *out, size_t space);
/* Copy an LSU name and acquire its server. */
int copy_lsu(struct call *call, const sts_lsu_t *lsu, char name[STS_MAX_LSUNAME], struct server **server);
/* Copy an image definition so that every string is terminated; the base name must not be empty. */
int copy_def(struct call *call, const sts_image_def_t *def, sts_image_def_t *out);
/* Wire image identity and state to the host's structs. */
void export_id(const struct wire_image_id *id, sts_image_def_t *def);
void export_info(const struct wire_image_entry *entry, sts_image_info_t *info);

/* ---- lifecycle.c ---- */
/* Free a list or channel object; used by terminate and in a forked child. */
void free_object(enum handle_kind kind, void *object);

#define EXPORT __attribute__((visibility("default")))

#endif
