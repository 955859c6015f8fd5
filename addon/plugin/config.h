/* The plugin's configuration: an ini file of `key = value` lines. */
#ifndef VOST_CONFIG_H
#define VOST_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#define CONFIG_DEFAULT_PATH "/etc/vast-ost/plugin.conf"
#define CONFIG_PATH_ENV "VAST_OST_PLUGIN_CONF"

struct config {
  char socket[108];   /* fits sun_path */
  char log_file[256]; /* empty: no log file */
  uint32_t log_level; /* 0 errors, 1 warnings, 2 information, 3 debug */
  uint32_t connect_timeout_ms;
  uint32_t engine_timeout_ms;
  uint32_t reconnect_patience_ms;
  uint32_t call_timeout_ms;
  uint32_t data_timeout_ms;
  uint32_t slot_bytes;
  uint32_t slot_count;
  uint32_t read_ahead; /* most slots read ahead for a sequential reader; the engine fills as many at once as help */
};

void config_defaults(struct config *config);

/*
 * Read the file that the environment names, else the default one if it exists. Unknown keys and bad
 * values are errors, described in `problem`; values read so far stay. Returns 0, or -1.
 */
int config_load(struct config *config, char *problem, size_t space);

/* Take one line. Returns 0, or -1 with `problem`. */
int config_line(struct config *config, const char *line, char *problem, size_t space);

#endif
