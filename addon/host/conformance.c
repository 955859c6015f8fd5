#include "conformance.h"
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

bool check_failed_at(struct check *check, const char *file, int line, const char *format, ...) {
  char message[200];
  const char *base = strrchr(file, '/');
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof(message), format, arguments);
  va_end(arguments);
  if (check->reason[0] == 0)
    snprintf(check->reason, sizeof(check->reason), "%.40s:%d: %s", base != NULL ? base + 1 : file, line,
             message);
  return false;
}

sts_image_def_t check_def(struct check *check, const char *name) {
  static unsigned serial;
  char basename[STS_MAX_IMAGENAME];
  snprintf(basename, sizeof(basename), "check-%ld-%u-%s", (long)getpid(), ++serial, name);
  return make_def(check->options, basename);
}

bool check_write(struct check *check, stsp_image_handle_t image, uint64_t seed, uint64_t offset,
                 uint64_t length, uint64_t buffer) {
  uint8_t *bytes = malloc(buffer);
  bool good = bytes != NULL;
  for (uint64_t at = 0; good && at < length; at += buffer) {
    uint64_t piece = length - at < buffer ? length - at : buffer, written = 0;
    generate_fill(seed, offset + at, bytes, piece);
    int status = sts.write_image(image, NULL, bytes, piece, offset + at, &written);
    if (status != STS_EOK || written != piece)
      good = check_failed_at(check, __FILE__, __LINE__, "write at %llu answered %d",
                             (unsigned long long)(offset + at), status);
  }
  free(bytes);
  return good;
}

bool check_read(struct check *check, stsp_image_handle_t image, uint64_t seed, uint64_t offset, uint64_t length,
                uint64_t buffer) {
  uint8_t *bytes = malloc(buffer);
  bool good = bytes != NULL;
  for (uint64_t at = 0; good && at < length; at += buffer) {
    uint64_t piece = length - at < buffer ? length - at : buffer, got = 0, wrong = 0;
    int status = sts.read_image(image, bytes, piece, offset + at, &got);
    if (status != STS_EOK || got != piece)
      good = check_failed_at(check, __FILE__, __LINE__, "read at %llu answered %d with %llu bytes",
                             (unsigned long long)(offset + at), status, (unsigned long long)got);
    else if (!generate_check(seed, offset + at, bytes, piece, &wrong))
      good = check_failed_at(check, __FILE__, __LINE__, "byte %llu differs", (unsigned long long)wrong);
  }
  free(bytes);
  return good;
}

bool check_make(struct check *check, const sts_lsu_t *lsu, const sts_image_def_t *def, uint64_t seed,
                uint64_t size) {
  stsp_image_handle_t image;
  EXPECT_OK(sts.create_image(lsu, def, 0, &image));
  bool good = check_write(check, image, seed, 0, size, 262144);
  EXPECT_OK(sts.close_image(image, good ? STS_CLOSEF_IH_COMPLETE : STS_CLOSEF_IH_INCOMPLETE, NULL));
  return good;
}

bool check_compare(struct check *check, const sts_lsu_t *lsu, const sts_image_def_t *def, uint64_t seed,
                   uint64_t size) {
  stsp_image_handle_t image;
  sts_image_info_t info;
  EXPECT_OK(sts.get_image_prop_byname(lsu, def, &info));
  EXPECT(info.imo_size == size);
  EXPECT_OK(sts.open_image(lsu, def, STS_O_READ, &image));
  bool good = check_read(check, image, seed, 0, size, 262144);
  EXPECT_OK(sts.close_image(image, STS_CLOSEF_IH_COMPLETE, NULL));
  return good;
}

bool check_elsewhere(struct check *check, bool (*body)(struct check *check, const void *argument),
                     const void *argument) {
  int ends[2];
  EXPECT(pipe(ends) == 0);
  fflush(stdout);
  pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    struct check other = *check;
    sts_cred_t cred = make_cred(check->options);
    other.reason[0] = 0;
    int status = sts.open_server(NULL, check->options->server, &cred, NULL, &other.server);
    other.lsu.sl_server = other.second.sl_server = other.server;
    bool good = status == STS_EOK && body(&other, argument);
    if (good) good = sts.close_server(other.server) == STS_EOK && sts.terminate() == STS_EOK;
    ssize_t ignored = write(ends[1], other.reason, sizeof(other.reason));
    (void)ignored;
    _exit(good ? 0 : 1);
  }
  close(ends[1]);
  char reason[sizeof(check->reason)] = "";
  ssize_t got = read(ends[0], reason, sizeof(reason) - 1);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (status == 0) return true;
  return check_failed_at(check, __FILE__, __LINE__, "in another process: %s",
                         got > 0 ? reason : "it ended early");
}

unsigned count_entries(const char *folder) {
  unsigned count = 0;
  DIR *open_folder = opendir(folder);
  if (open_folder == NULL) return 0;
  while (readdir(open_folder) != NULL) count++;
  closedir(open_folder);
  return count;
}

static void run_table(const struct check_entry *table, struct check *check, unsigned *passed,
                      unsigned *failed) {
  for (; table->name != NULL; table++) {
    if (check->options->only != NULL && strstr(table->name, check->options->only) == NULL) continue;
    if ((check->capabilities & table->needs) != table->needs) {
      printf("skip   %s (%s)\n", table->name,
             table->needs == CHECK_NEEDS_FAILING_LSU ? "no --failing-lsu" : "the server does not offer it");
      continue;
    }
    check->reason[0] = 0;
    bool good = table->run(check);
    if (good)
      printf("pass   %s\n", table->name);
    else
      printf("FAIL   %s: %s\n", table->name, check->reason);
    fflush(stdout);
    *(good ? passed : failed) += 1;
  }
}

int command_conformance(const struct options *options) {
  if (options->lsu == NULL) usage(EXIT_USAGE);
  static const struct check_entry *const tables[] = {server_checks, write_checks,  catalog_checks, read_checks,
                                                     copy_checks,   handle_checks, safety_checks};
  struct check check = {.options = options, .server = open_session(options)};
  sts_server_info_t info;
  unsigned passed = 0, failed = 0;
  int status = sts.get_server_prop(check.server, &info);
  if (status != STS_EOK) return complain("stsp_get_server_prop", status);
  check.capabilities = info.srv_cap | (options->failing_lsu != NULL ? CHECK_NEEDS_FAILING_LSU : 0);
  check.lsu = make_lsu(check.server, options->lsu);
  check.second = make_lsu(check.server, options->to_lsu != NULL ? options->to_lsu : options->lsu);
  for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
    run_table(tables[i], &check, &passed, &failed);
  if (options->worm_lsu != NULL) {
    check.worm = make_lsu(check.server, options->worm_lsu);
    run_table(worm_checks, &check, &passed, &failed);
  }
  close_session(check.server);
  printf("%u passed, %u failed\n", passed, failed);
  return failed == 0 && passed > 0 ? EXIT_OK : EXIT_MISMATCH;
}
