#include "config.h"
#include "../wire/arena.h"
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct key {
  const char *name;
  size_t offset;
  size_t text;        /* room for text; 0: a number */
  uint32_t low, high; /* bounds as written in the file */
  uint32_t unit;      /* multiplied into the value */
};

#define TEXT(name, member)                                                                                     \
  { name, offsetof(struct config, member), sizeof(((struct config *)0)->member), 0, 0, 0 }
#define NUMBER(name, member, low, high, unit)                                                                  \
  { name, offsetof(struct config, member), 0, low, high, unit }

static const struct key keys[] = {
    TEXT("socket", socket),
    TEXT("log_file", log_file),
    NUMBER("log_level", log_level, 0, 3, 1),
    NUMBER("connect_timeout_ms", connect_timeout_ms, 10, 3600000, 1),
    NUMBER("engine_timeout_ms", engine_timeout_ms, 100, 3600000, 1),
    NUMBER("reconnect_patience_ms", reconnect_patience_ms, 0, 86400000, 1),
    NUMBER("call_timeout_ms", call_timeout_ms, 100, 86400000, 1),
    NUMBER("data_timeout_ms", data_timeout_ms, 100, 86400000, 1),
    NUMBER("slot_mib", slot_bytes, 1, 256, 1 << 20),
    NUMBER("slots", slot_count, ARENA_MIN_SLOTS, ARENA_MAX_SLOTS, 1),
    NUMBER("read_ahead", read_ahead, 0, 16, 1),
};

void config_defaults(struct config *config) {
  *config = (struct config){
      .socket = "/run/vast-ost/ost.sock",
      .log_level = 1,
      .connect_timeout_ms = 10000,
      .engine_timeout_ms = 60000,
      .reconnect_patience_ms = 300000,
      .call_timeout_ms = 120000,
      .data_timeout_ms = 3600000,
      .slot_bytes = 64 << 20,
      .slot_count = 128,
      .read_ahead = 7,
  };
}

static char *trim(char *text) {
  while (isspace((unsigned char)*text)) text++;
  size_t length = strlen(text);
  while (length > 0 && isspace((unsigned char)text[length - 1])) text[--length] = 0;
  return text;
}

static int set_number(struct config *config, const struct key *key, const char *value, char *problem,
                      size_t space) {
  char *end;
  errno = 0;
  unsigned long number = strtoul(value, &end, 10);
  if (!isdigit((unsigned char)*value) || *end != 0 || errno != 0 || number < key->low || number > key->high) {
    snprintf(problem, space, "%s must be a number from %u to %u", key->name, key->low, key->high);
    return -1;
  }
  uint32_t scaled = (uint32_t)number * key->unit;
  if (key->unit > 1 && (scaled & (scaled - 1)) != 0) {
    snprintf(problem, space, "%s must be a power of two", key->name);
    return -1;
  }
  memcpy((char *)config + key->offset, &scaled, sizeof(scaled));
  return 0;
}

int config_line(struct config *config, const char *line, char *problem, size_t space) {
  char copy[512];
  if (snprintf(copy, sizeof(copy), "%s", line) >= (int)sizeof(copy)) {
    snprintf(problem, space, "line too long");
    return -1;
  }
  char *name = trim(copy);
  if (*name == 0 || *name == '#' || *name == ';' || *name == '[') return 0;
  char *equals = strchr(name, '=');
  if (equals == NULL) {
    snprintf(problem, space, "no '=' in '%.60s'", name);
    return -1;
  }
  *equals = 0;
  const char *value = trim(equals + 1);
  name = trim(name);
  for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
    if (strcmp(name, keys[i].name) != 0) continue;
    if (keys[i].text == 0) return set_number(config, &keys[i], value, problem, space);
    if (strlen(value) >= keys[i].text) {
      snprintf(problem, space, "%s is longer than %zu bytes", name, keys[i].text - 1);
      return -1;
    }
    memset((char *)config + keys[i].offset, 0, keys[i].text);
    memcpy((char *)config + keys[i].offset, value, strlen(value));
    return 0;
  }
  snprintf(problem, space, "unknown key '%.60s'", name);
  return -1;
}

int config_load(struct config *config, char *problem, size_t space) {
  const char *path = secure_getenv(CONFIG_PATH_ENV);
  const char *used = path != NULL && *path != 0 ? path : CONFIG_DEFAULT_PATH;
  FILE *file = fopen(used, "re");
  if (file == NULL) {
    if (errno == ENOENT && used != path) return 0;
    snprintf(problem, space, "%s: %s", used, strerror(errno));
    return -1;
  }
  char line[1024], detail[160];
  int status = 0;
  for (unsigned number = 1; status == 0 && fgets(line, sizeof(line), file) != NULL; number++) {
    status = config_line(config, line, detail, sizeof(detail));
    if (status != 0) snprintf(problem, space, "%s:%u: %s", used, number, detail);
  }
  fclose(file);
  return status;
}
