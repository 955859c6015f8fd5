#include "request.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* False when it does not fit or would hold a NUL. */
static bool decode(char *into, size_t room, const char *from, size_t length) {
  size_t at = 0;
  for (size_t next = 0; next < length; next++) {
    char c = from[next];
    if (c == '%' && next + 2 < length && hex(from[next + 1]) >= 0 && hex(from[next + 2]) >= 0) {
      c = (char)(hex(from[next + 1]) * 16 + hex(from[next + 2]));
      next += 2;
    }
    if (c == '\0' || at + 1 >= room) return false;
    into[at++] = c;
  }
  into[at] = '\0';
  return true;
}

static bool parse_number(const char *text, uint64_t *number) {
  char *end;
  if (!isdigit((unsigned char)*text)) return false;
  errno = 0;
  *number = strtoull(text, &end, 10);
  return errno == 0 && (*end == '\0' || *end == '-');
}

static bool parse_range(struct request *request, const char *value) {
  if (strncmp(value, "bytes=", 6) != 0 || !parse_number(value + 6, &request->range_first)) return false;
  const char *dash = strchr(value, '-');
  if (!dash) return false;
  request->range_last = UINT64_MAX;
  request->ranged = true;
  return dash[1] == '\0' || (parse_number(dash + 1, &request->range_last) && request->range_last >= request->range_first);
}

static int parse_header(struct request *request, const char *name, const char *value) {
  if (strcasecmp(name, "content-length") == 0) return parse_number(value, &request->content_length) ? 0 : 400;
  if (strcasecmp(name, "x-amz-decoded-content-length") == 0) {
    request->encoded = true;
    return parse_number(value, &request->payload_length) ? 0 : 400;
  }
  if (strcasecmp(name, "transfer-encoding") == 0) return 501;
  if (strcasecmp(name, "expect") == 0) request->expects = true;
  if (strcasecmp(name, "x-amz-copy-source") == 0) request->copy = true;
  if (strcasecmp(name, "connection") == 0 && strcasecmp(value, "close") == 0) request->close = true;
  if (strcasecmp(name, "range") == 0) return parse_range(request, value) ? 0 : 400;
  return 0;
}

static int parse_target(struct request *request, char *target) {
  char *query = strchr(target, '?');
  size_t length = query ? (size_t)(query - target) : strlen(target);
  if (target[0] != '/' || !decode(request->path, sizeof request->path, target + 1, length - 1)) return 400;
  if (!query) return 0;
  return snprintf(request->query, sizeof request->query, "%s", query + 1) < (int)sizeof request->query ? 0 : 414;
}

int request_parse(struct request *request, char *head, size_t length) {
  *request = (struct request){0};
  if (memchr(head, '\0', length)) return 400;
  head[length - 2] = '\0'; /* the empty line */
  char *rest, *line = strtok_r(head, "\r\n", &rest);
  char *space = line ? strchr(line, ' ') : NULL;
  char *second = space ? strchr(space + 1, ' ') : NULL;
  if (!second || (size_t)(space - line) >= sizeof request->method) return 400;
  memcpy(request->method, line, (size_t)(space - line));
  *second = '\0';
  if (strcmp(second + 1, "HTTP/1.0") == 0) request->close = true;
  int status = parse_target(request, space + 1);
  while (status == 0 && (line = strtok_r(NULL, "\r\n", &rest))) {
    char *value = strchr(line, ':');
    if (!value) return 400;
    *value++ = '\0';
    status = parse_header(request, line, value + strspn(value, " \t"));
  }
  if (!request->encoded) request->payload_length = request->content_length;
  return status;
}

bool request_parameter(const struct request *request, const char *name, char value[VALUE_ROOM]) {
  size_t length = strlen(name);
  for (const char *at = request->query; *at; at += strcspn(at, "&")) {
    if (*at == '&') at++;
    size_t whole = strcspn(at, "&");
    if (strncmp(at, name, length) != 0 || (at[length] != '=' && length != whole)) continue;
    const char *from = at[length] == '=' ? at + length + 1 : at + length;
    return !value || decode(value, VALUE_ROOM, from, (size_t)(at + whole - from));
  }
  return false;
}
