#include "status.h"
#include "../wire/limits.h"
#include "stspi.h"
#include <stddef.h>

static const int statuses[] = {
    [WIRE_OK] = STS_EOK,
    [WIRE_INVALID] = STS_EINVAL,
    [WIRE_NO_MEMORY] = STS_ENOMEM,
    [WIRE_BUSY] = STS_EBUSY,
    [WIRE_AGAIN] = STS_EAGAIN,
    [WIRE_NOT_FOUND] = STS_ENOENT,
    [WIRE_END] = STS_ENOENT,
    [WIRE_ABORTED] = STS_EABORT,
    [WIRE_SYSTEM] = STS_ESYSCALL,
    [WIRE_NETWORK] = STS_ESOCK,
    [WIRE_INTERNAL] = STS_EINTERNAL,
    [WIRE_AUTH] = STS_EAUTH,
    [WIRE_ACCESS] = STS_EACCESS,
    [WIRE_NO_SPACE] = STS_ENOSPC,
    [WIRE_EXISTS] = STS_EEXIST,
    [WIRE_UNSUPPORTED] = STS_ENOTSUP,
    [WIRE_READ_ONLY] = STS_EWRITEPROT,
    [WIRE_WORM_MINIMUM] = STS_EWORM_MIN,
    [WIRE_WORM_MAXIMUM] = STS_EWORM_MAX,
    [WIRE_WORM_LOCKED] = STS_EWORM_LOCK,
    [WIRE_INTEGRITY] = STS_EPLUGIN,
    [WIRE_TIMEOUT] = STS_EAGAIN,
    [WIRE_PROTOCOL] = STS_EPLUGIN,
    [WIRE_ARENA] = STS_EPLUGIN,
    [WIRE_LIMIT] = STS_ECONNECT,
};

int status_of_result(uint32_t result) {
  return result < sizeof(statuses) / sizeof(statuses[0]) ? statuses[result] : STS_EPLUGIN;
}

/* A table and not a switch: another stspi.h may give two names one number. */
#define NAME(status) {status, #status},
static const struct {
  int status;
  const char *name;
} names[] = {NAME(STS_EOK) NAME(STS_EINVAL) NAME(STS_ENOMEM) NAME(STS_EBUSY) NAME(STS_EAGAIN) NAME(STS_ENOENT)
                 NAME(STS_EABORT) NAME(STS_ESYSCALL) NAME(STS_ENOTFOUND) NAME(STS_ESOCK) NAME(STS_EINTERNAL)
                     NAME(STS_EAUTH) NAME(STS_EACCESS) NAME(STS_EPLUGIN) NAME(STS_EWRITEPROT)
                         NAME(STS_EWORM_MIN) NAME(STS_EWORM_MAX) NAME(STS_EWORM_LOCK) NAME(STS_ECLAIM)
                             NAME(STS_ENOSPC) NAME(STS_ECONNECT) NAME(STS_EEXIST) NAME(STS_ENOTSUP)};

const char *status_name(int status) {
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (names[i].status == status) return names[i].name;
  return "STS_?";
}
