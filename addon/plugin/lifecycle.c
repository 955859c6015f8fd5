/* stsp_init, stsp_claim, stsp_terminate; fork. */
#include "call.h"
#include "version.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TERMINATE_PATIENCE_MS 10000

struct runtime runtime = {.lock = PTHREAD_MUTEX_INITIALIZER, .idle = PTHREAD_COND_INITIALIZER};

static const enum handle_kind object_kinds[] = {HANDLE_LSU_LIST, HANDLE_IMAGE_LIST, HANDLE_CHANNEL};

/* Everything that handles point to. Images belong to the session. */
static void free_objects(bool pages) {
  void *handle, *object;
  for (size_t i = 0; i < sizeof(object_kinds) / sizeof(object_kinds[0]); i++)
    while ((object = registry_any(&runtime.registry, object_kinds[i], &handle)) != NULL) {
      registry_remove(&runtime.registry, handle);
      if (pages)
        free_object(object_kinds[i], object);
      else
        free(object);
    }
  while ((object = registry_any(&runtime.registry, HANDLE_SERVER, &handle)) != NULL) {
    registry_remove(&runtime.registry, handle);
    free(object);
  }
}

/* ---- fork: the child gets an empty plugin, the parent does not notice ---- */
static void before_fork(void) {
  pthread_mutex_lock(&runtime.lock);
  if (runtime.inits == 0) return;
  pthread_mutex_lock(&runtime.registry.lock);
  if (runtime.session != NULL) pthread_mutex_lock(&runtime.session->lock);
}

static void after_fork_parent(void) {
  if (runtime.inits > 0) {
    if (runtime.session != NULL) pthread_mutex_unlock(&runtime.session->lock);
    pthread_mutex_unlock(&runtime.registry.lock);
  }
  pthread_mutex_unlock(&runtime.lock);
}

/* The other threads of the parent do not exist here: nobody else holds a lock or is in a call. */
static void after_fork_child(void) {
  if (runtime.inits > 0) {
    pthread_mutex_unlock(&runtime.registry.lock);
    /* Their waiters lay on stacks that are gone; pages belong to requests, which the session frees. */
    if (runtime.session != NULL) {
      pthread_mutex_unlock(&runtime.session->lock);
      runtime.session->waiters = NULL;
    }
    free_objects(false);
    registry_free(&runtime.registry);
    registry_init(&runtime.registry, ++runtime.epoch);
    if (runtime.session != NULL) session_forget(runtime.session);
    runtime.session = NULL;
    runtime.calls = 0;
    runtime.stopping = false;
  }
  runtime.pid = getpid();
  pthread_mutex_unlock(&runtime.lock);
  pthread_cond_init(&runtime.idle, NULL);
}

static void register_fork(void) {
  pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

/* ---- init and terminate ---- */
static int first_init(struct failure *failure) {
  char problem[600] = "";
  config_defaults(&runtime.config);
  if (config_load(&runtime.config, problem, sizeof(problem)) != 0) {
    log_open(&runtime.log, runtime.config.log_file, LOG_ERROR);
    fail(failure, STS_EINVAL, "configuration: %s", problem);
    struct log_origin origin = {.function = "stsp_init"};
    log_line(&runtime.log, LOG_ERROR, &origin, "STS_EINVAL [%d] %s", STS_EINVAL, failure->cause);
    log_close(&runtime.log);
    return failure->status;
  }
  log_open(&runtime.log, runtime.config.log_file, runtime.config.log_level);
  registry_init(&runtime.registry, ++runtime.epoch);
  runtime.pid = getpid();
  return STS_EOK;
}

EXPORT int stsp_init(uint32_t version, const char *path, sts_plugin_info_t *info) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  struct failure failure = {0};
  (void)path;
  if (version < STS_VERSION_MIN || version > STS_VERSION_11) return STS_EINVAL;
  pthread_once(&once, register_fork);
  pthread_mutex_lock(&runtime.lock);
  int status = runtime.stopping ? STS_EBUSY : STS_EOK;
  if (status == STS_EOK && runtime.inits == 0) status = first_init(&failure);
  if (status == STS_EOK) runtime.inits++;
  pthread_mutex_unlock(&runtime.lock);
  if (status == STS_EOK && info != NULL) {
    memset(info, 0, sizeof(*info));
    info->pi_version = version;
    snprintf(info->pi_vendor_version, sizeof(info->pi_vendor_version), "%s", VOST_VERSION);
    snprintf(info->pi_prefix, sizeof(info->pi_prefix), "%s", VOST_PREFIX);
  }
  return status;
}

EXPORT int stsp_claim(const char *server_name) {
  size_t prefix = strlen(VOST_PREFIX);
  if (server_name == NULL) return STS_EINVAL;
  return strncmp(server_name, VOST_PREFIX, prefix) == 0 && server_name[prefix] != 0 ? STS_EOK : STS_ECLAIM;
}

/* With the lock held: wait until no call is in progress. */
static bool wait_idle(void) {
  uint64_t deadline = clock_now() + TERMINATE_PATIENCE_MS;
  while (runtime.calls > 0 && clock_now() < deadline) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    time.tv_sec++;
    pthread_cond_timedwait(&runtime.idle, &runtime.lock, &time);
  }
  return runtime.calls == 0;
}

EXPORT int stsp_terminate(void) {
  pthread_mutex_lock(&runtime.lock);
  if (runtime.inits == 0 || runtime.stopping) {
    pthread_mutex_unlock(&runtime.lock);
    return STS_EINVAL;
  }
  if (runtime.inits > 1) {
    runtime.inits--;
    pthread_mutex_unlock(&runtime.lock);
    return STS_EOK;
  }
  runtime.stopping = true;
  struct session *session = runtime.session;
  if (session != NULL) {
    pthread_mutex_unlock(&runtime.lock);
    session_stop(session);
    pthread_mutex_lock(&runtime.lock);
  }
  int status = wait_idle() ? STS_EOK : STS_EBUSY;
  if (status == STS_EOK) {
    free_objects(true);
    if (runtime.session != NULL) session_free(runtime.session);
    runtime.session = NULL;
    registry_free(&runtime.registry);
    log_close(&runtime.log);
    runtime.inits = 0;
  }
  /* After BUSY the session stays stopped: its calls fail at once and a later terminate ends it. */
  runtime.stopping = false;
  pthread_mutex_unlock(&runtime.lock);
  return status;
}

/* A host that unloads the library without terminate: nothing may stay behind. At exit other threads may
   still be in calls; then the system cleans up. */
__attribute__((destructor)) static void unload(void) {
  pthread_mutex_lock(&runtime.lock);
  bool idle = runtime.inits > 0 && runtime.calls == 0 && !runtime.stopping && runtime.pid == getpid();
  if (idle) runtime.inits = 1;
  pthread_mutex_unlock(&runtime.lock);
  if (idle) stsp_terminate();
}
