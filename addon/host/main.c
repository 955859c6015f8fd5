#include "host.h"
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
  const char *name;
  int (*run)(const struct options *options);
} commands[] = {
    {"info", command_info}, {"backup", command_backup}, {"restore", command_restore},
    {"list", command_list}, {"delete", command_delete}, {"copy", command_copy},
    {"events", command_events}, {"poll", command_poll}, {"bench", command_bench},
    {"conformance", command_conformance},
};

/* libstspiVastData.so beside this program. */
static const char *default_library(void) {
  static char path[PATH_MAX + 32];
  char self[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
  if (length < 0) return "libstspiVastData.so";
  self[length] = 0;
  snprintf(path, sizeof(path), "%s/libstspiVastData.so", dirname(self));
  return path;
}

int main(int argc, char **argv) {
  struct options options;
  if (argc < 2) usage(EXIT_USAGE);
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) usage(EXIT_OK);
  for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
    if (strcmp(argv[1], commands[i].name) != 0) continue;
    parse_options(argc - 1, argv + 1, &options);
    library_load(options.library != NULL ? options.library : default_library());
    int code = commands[i].run(&options);
    library_unload();
    return code;
  }
  fprintf(stderr, "ost-host: unknown command '%s'\n", argv[1]);
  usage(EXIT_USAGE);
}
