// Loaded into linux.uml: it saves and restores 2696 bytes of a process's floating-point state, and a kernel whose processor has more (AMX)
// refuses to set less than all of it. What it leaves out stays as it is.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

// One guest processor, one caller at a time; its kernel stacks are too small for this.
static char state[64 * 1024];

long ptrace(enum __ptrace_request request, ...) {
  static long (*next)(enum __ptrace_request, ...);
  if (!next) next = (long (*)(enum __ptrace_request, ...))dlsym(RTLD_NEXT, "ptrace");
  va_list arguments;
  va_start(arguments, request);
  long pid = va_arg(arguments, long);
  void *address = va_arg(arguments, void *);
  void *data = va_arg(arguments, void *);
  va_end(arguments);
  if (request == PTRACE_SETREGSET && address == (void *)NT_X86_XSTATE) {
    struct iovec all = {state, sizeof state};
    const struct iovec *given = data;
    if (next(PTRACE_GETREGSET, pid, address, &all) == 0 && given->iov_len < all.iov_len) {
      memcpy(state, given->iov_base, given->iov_len);
      return next(request, pid, address, &all);
    }
  }
  return next(request, pid, address, data);
}
