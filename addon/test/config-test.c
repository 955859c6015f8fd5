/* plugin.conf: values, bounds, problems. */
#include "../plugin/config.h"
#include "check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct config config;
static char problem[300];

static int line(const char *text) {
  problem[0] = 0;
  return config_line(&config, text, problem, sizeof(problem));
}

static void files(void) {
  char path[] = "/tmp/vost-config-XXXXXX";
  int fd = mkstemp(path);
  static const char text[] = "# comment\n[plugin]\nsocket = /tmp/x.sock\nengine_timeout_ms = 5\n";
  CHECK(fd >= 0 && write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
  close(fd);
  setenv(CONFIG_PATH_ENV, path, 1);
  config_defaults(&config);
  CHECK(config_load(&config, problem, sizeof(problem)) == -1);
  CHECK(strstr(problem, ":4: engine_timeout_ms must be a number from 100") != NULL);
  CHECK(strcmp(config.socket, "/tmp/x.sock") == 0);
  unlink(path);
  CHECK(config_load(&config, problem, sizeof(problem)) == -1 && strstr(problem, "No such file") != NULL);
  unsetenv(CONFIG_PATH_ENV);
}

int main(void) {
  char longest[600];
  config_defaults(&config);
  CHECK(config.slot_bytes == 64u << 20 && config.engine_timeout_ms == 60000);
  CHECK(line("") == 0 && line("   ") == 0 && line("# x = y") == 0 && line("; x") == 0 &&
        line("[section]") == 0);
  CHECK(line("  slots =  32  ") == 0 && config.slot_count == 32);
  CHECK(line("slot_mib=16") == 0 && config.slot_bytes == 16u << 20);
  CHECK(line("slot_mib=256") == 0 && config.slot_bytes == 256u << 20);
  CHECK(line("log_file = /var/log/x y.log") == 0 && strcmp(config.log_file, "/var/log/x y.log") == 0);
  CHECK(line("log_file =") == 0 && config.log_file[0] == 0);
  static const char *const wrong[] = {"slot_mib = 3",
                                      "slot_mib = 512",
                                      "slots = 1",
                                      "slots = 5000",
                                      "slots = -4",
                                      "slots = 4x",
                                      "slots =",
                                      "slots",
                                      "log_level = 9",
                                      "unknown = 1",
                                      "slots = 99999999999999999999"};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) CHECK(line(wrong[i]) == -1 && problem[0] != 0);
  memset(longest, 'x', sizeof(longest));
  longest[sizeof(longest) - 1] = 0;
  CHECK(line(longest) == -1);
  memcpy(longest, "socket = ", 9);
  longest[200] = 0;
  CHECK(line(longest) == -1 && strstr(problem, "longer than 107") != NULL);
  files();
  return check_done("config");
}
