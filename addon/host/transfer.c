/* backup and restore: streams in threads where the input or output can be shared, else one after the other. */
#include "stream.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP ((size_t)1 << 20) /* bytes moved at once; a multiple of any block */

struct job {
  struct stream stream;
  struct header header;
  int fd;
  pthread_t thread;
};

static bool standard(const char *file) {
  return file == NULL || strcmp(file, "-") == 0;
}

static void io_failed(struct job *job, const char *what) {
  fprintf(stderr, "ost-host: %s: %s\n", what, strerror(errno));
  if (job->stream.code == EXIT_OK) job->stream.code = EXIT_FAILED;
}

static bool read_fully(int fd, uint8_t *bytes, size_t length, off_t offset, size_t *got) {
  for (*got = 0; *got < length;) {
    ssize_t count = offset < 0 ? read(fd, bytes + *got, length - *got)
                               : pread(fd, bytes + *got, length - *got, offset + (off_t)*got);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    if (count == 0) break;
    *got += (size_t)count;
  }
  return true;
}

static bool write_fully(int fd, const uint8_t *bytes, size_t length, off_t offset) {
  for (size_t done = 0; done < length;) {
    ssize_t count = offset < 0 ? write(fd, bytes + done, length - done)
                               : pwrite(fd, bytes + done, length - done, offset + (off_t)done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    done += (size_t)count;
  }
  return true;
}

/* ---- one thread per stream ---- */
static void backup_generated(struct job *job, uint8_t *bytes) {
  const struct options *options = job->stream.options;
  for (uint64_t at = 0; at < options->generate && job->stream.code == EXIT_OK;) {
    size_t piece = options->generate - at < STEP ? (size_t)(options->generate - at) : STEP;
    generate_fill(options->seed + job->stream.index, at, bytes, piece);
    stream_write(&job->stream, bytes, piece);
    at += piece;
  }
}

/* This stream's stripes of a file: stripe k belongs to stream k modulo the number of streams. */
static void backup_file(struct job *job, uint8_t *bytes) {
  const struct header *header = &job->header;
  for (uint64_t base = job->stream.index * header->stripe; base < header->size && job->stream.code == EXIT_OK;
       base += header->stripe * header->streams) {
    uint64_t end = header->size - base < header->stripe ? header->size : base + header->stripe;
    for (uint64_t at = base; at < end && job->stream.code == EXIT_OK;) {
      size_t piece = end - at < STEP ? (size_t)(end - at) : STEP, got;
      if (!read_fully(job->fd, bytes, piece, (off_t)at, &got))
        io_failed(job, "reading the input");
      else if (got < piece) {
        fprintf(stderr, "ost-host: the input became shorter\n");
        job->stream.code = EXIT_FAILED;
      } else
        stream_write(&job->stream, bytes, piece);
      at += piece;
    }
  }
}

static void *backup_thread(void *argument) {
  struct job *job = argument;
  uint8_t *bytes = malloc(STEP);
  if (bytes == NULL)
    job->stream.code = complain("malloc", STS_ENOMEM);
  else if (job->header.generated)
    backup_generated(job, bytes);
  else
    backup_file(job, bytes);
  stream_finish(&job->stream);
  free(bytes);
  return NULL;
}

static void restore_generated(struct job *job, uint8_t *bytes) {
  const struct header *header = &job->header;
  for (uint64_t at = 0; at < header->size && job->stream.code == EXIT_OK;) {
    size_t piece = header->size - at < STEP ? (size_t)(header->size - at) : STEP;
    uint64_t wrong;
    stream_read(&job->stream, bytes, piece);
    if (job->stream.code == EXIT_OK &&
        !generate_check(header->seed + job->stream.index, at, bytes, piece, &wrong)) {
      fprintf(stderr, "ost-host: stream %u differs at byte %" PRIu64 "\n", job->stream.index + 1, wrong);
      job->stream.code = EXIT_MISMATCH;
    }
    at += piece;
  }
}

static void restore_file(struct job *job, uint8_t *bytes) {
  const struct header *header = &job->header;
  for (uint64_t base = job->stream.index * header->stripe; base < header->size && job->stream.code == EXIT_OK;
       base += header->stripe * header->streams) {
    uint64_t end = header->size - base < header->stripe ? header->size : base + header->stripe;
    for (uint64_t at = base; at < end && job->stream.code == EXIT_OK;) {
      size_t piece = end - at < STEP ? (size_t)(end - at) : STEP;
      stream_read(&job->stream, bytes, piece);
      if (job->stream.code == EXIT_OK && !write_fully(job->fd, bytes, piece, (off_t)at))
        io_failed(job, "writing");
      at += piece;
    }
  }
}

static void *restore_thread(void *argument) {
  struct job *job = argument;
  uint8_t *bytes = malloc(STEP);
  if (bytes == NULL)
    job->stream.code = complain("malloc", STS_ENOMEM);
  else if (job->header.generated)
    restore_generated(job, bytes);
  else
    restore_file(job, bytes);
  stream_close(&job->stream);
  free(bytes);
  return NULL;
}

static int run_threads(struct job *jobs, uint32_t count, void *(*body)(void *)) {
  int code = EXIT_OK;
  uint32_t started = 0;
  while (started < count && pthread_create(&jobs[started].thread, NULL, body, &jobs[started]) == 0) started++;
  /* The streams for which there is no thread run here. */
  for (uint32_t i = started; i < count; i++) body(&jobs[i]);
  for (uint32_t i = 0; i < count; i++) {
    if (i < started) pthread_join(jobs[i].thread, NULL);
    if (jobs[i].stream.code != EXIT_OK) code = jobs[i].stream.code;
  }
  return code;
}

/* ---- pipes: stripe by stripe ---- */
static int backup_pipe(struct job *jobs, struct header *header) {
  uint8_t *bytes = malloc(STEP);
  bool more = bytes != NULL;
  int code = bytes == NULL ? complain("malloc", STS_ENOMEM) : EXIT_OK;
  for (uint32_t turn = 0; more && code == EXIT_OK; turn = (turn + 1) % header->streams) {
    struct job *job = &jobs[turn];
    for (uint64_t at = 0; more && at < header->stripe && job->stream.code == EXIT_OK;) {
      size_t piece = header->stripe - at < STEP ? (size_t)(header->stripe - at) : STEP, got;
      if (!read_fully(job->fd, bytes, piece, -1, &got)) io_failed(job, "reading the input");
      more = got == piece;
      header->size += got;
      at += piece;
      stream_write(&job->stream, bytes, got);
    }
    code = job->stream.code;
  }
  for (uint32_t i = 0; i < header->streams; i++) {
    if (code != EXIT_OK && jobs[i].stream.code == EXIT_OK) jobs[i].stream.code = code;
    stream_finish(&jobs[i].stream);
    if (jobs[i].stream.code != EXIT_OK) code = jobs[i].stream.code;
  }
  free(bytes);
  return code;
}

static int restore_pipe(struct job *jobs, const struct header *header) {
  uint8_t *bytes = malloc(STEP);
  int code = bytes == NULL ? complain("malloc", STS_ENOMEM) : EXIT_OK;
  uint64_t left = header->size;
  for (uint32_t turn = 0; left > 0 && code == EXIT_OK; turn = (turn + 1) % header->streams) {
    struct job *job = &jobs[turn];
    uint64_t stripe = left < header->stripe ? left : header->stripe;
    for (uint64_t at = 0; at < stripe && job->stream.code == EXIT_OK;) {
      size_t piece = stripe - at < STEP ? (size_t)(stripe - at) : STEP;
      stream_read(&job->stream, bytes, piece);
      if (job->stream.code == EXIT_OK && !write_fully(job->fd, bytes, piece, -1)) io_failed(job, "writing");
      at += piece;
    }
    left -= stripe;
    code = job->stream.code;
  }
  for (uint32_t i = 0; i < header->streams; i++) stream_close(&jobs[i].stream);
  free(bytes);
  return code;
}

/* ---- commands ---- */
static void report(const char *verb, const struct job *jobs, uint32_t count, double begin) {
  uint64_t bytes = 0;
  double seconds = seconds_now() - begin;
  for (uint32_t i = 0; i < count; i++) bytes += jobs[i].stream.total;
  double gib = (double)bytes / (1 << 30);
  fprintf(stderr, "%s %" PRIu64 " bytes in %.2f s, %.2f GiB/s, %.3f CPU seconds\n", verb, bytes, seconds,
          seconds > 0 ? gib / seconds : 0, cpu_seconds());
}

static struct job *make_jobs(const struct options *options, stsp_server_handle_t server,
                             const struct header *header, int fd) {
  struct job *jobs = calloc(header->streams, sizeof(*jobs));
  for (uint32_t i = 0; jobs != NULL && i < header->streams; i++) {
    jobs[i].header = *header;
    jobs[i].fd = fd;
    if (stream_open(&jobs[i].stream, options, server, i, header->streams)) continue;
    while (i-- > 0) free(jobs[i].stream.group);
    free(jobs);
    return NULL;
  }
  return jobs;
}

int command_backup(const struct options *options) {
  if (options->lsu == NULL || options->image == NULL) usage(EXIT_USAGE);
  struct header header = {.stripe = options->stripe, .streams = options->streams, .seed = options->seed};
  int fd = standard(options->file) ? STDIN_FILENO : open(options->file, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) {
    perror(options->file);
    return EXIT_FAILED;
  }
  bool shared = options->generate > 0 || (S_ISREG(status.st_mode) && !standard(options->file));
  header.generated = options->generate > 0;
  if (shared) header.size = header.generated ? options->generate : (uint64_t)status.st_size;
  double begin = seconds_now();
  stsp_server_handle_t server = open_session(options);
  struct job *jobs = make_jobs(options, server, &header, fd);
  int code = EXIT_FAILED;
  if (jobs != NULL) {
    code = shared ? run_threads(jobs, header.streams, backup_thread) : backup_pipe(jobs, &header);
    /* The header comes last: a backup without one is not finished. */
    if (code == EXIT_OK && !options->incomplete) code = header_write(options, server, &header);
    if (code == EXIT_OK) report("wrote", jobs, header.streams, begin);
  }
  free(jobs);
  close_session(server);
  if (fd != STDIN_FILENO) close(fd);
  return code;
}

int command_restore(const struct options *options) {
  if (options->lsu == NULL || options->image == NULL) usage(EXIT_USAGE);
  struct header header;
  double begin = seconds_now();
  stsp_server_handle_t server = open_session(options);
  int code = header_read(options, server, &header);
  int fd = STDOUT_FILENO;
  if (code == EXIT_OK && !header.generated && !standard(options->file)) {
    fd = open(options->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
      perror(options->file);
      code = EXIT_FAILED;
    }
  }
  struct job *jobs = code == EXIT_OK ? make_jobs(options, server, &header, fd) : NULL;
  if (jobs != NULL) {
    bool shared = header.generated || !standard(options->file);
    code = shared ? run_threads(jobs, header.streams, restore_thread) : restore_pipe(jobs, &header);
    for (uint32_t i = 0; i < header.streams; i++) free(jobs[i].stream.group);
    if (code == EXIT_OK) report(header.generated ? "verified" : "restored", jobs, header.streams, begin);
  } else if (code == EXIT_OK) {
    code = EXIT_FAILED;
  }
  free(jobs);
  close_session(server);
  if (fd != STDOUT_FILENO && fd >= 0 && close(fd) != 0 && code == EXIT_OK) code = EXIT_FAILED;
  return code;
}
