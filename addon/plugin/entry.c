/*
 * Running the library file itself: `libstspiVastData.so -version`. The dynamic loader has set libc up
 * before it jumps to `entry`; there is no C start-up code, so the stack is taken as the kernel left it.
 */
#include "version.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#define LOADER "/lib64/ld-linux-x86-64.so.2"
__asm__(".text\n.globl vost_entry\n.hidden vost_entry\n.type vost_entry,@function\nvost_entry:\n"
        "  xor %ebp, %ebp\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call vost_main\n  hlt\n");
#elif defined(__aarch64__)
#define LOADER "/lib/ld-linux-aarch64.so.1"
__asm__(".text\n.globl vost_entry\n.hidden vost_entry\n.type vost_entry,%function\nvost_entry:\n"
        "  mov x29, #0\n  mov x30, #0\n  mov x0, sp\n  bl vost_main\n");
#else
#error "no entry for this processor"
#endif

__attribute__((section(".interp"), used)) static const char interpreter[] = LOADER;

static void say(int fd, const char *text) {
  ssize_t ignored = write(fd, text, strlen(text));
  (void)ignored;
}

/* `stack`: argument count, arguments, NULL. */
__attribute__((noreturn, used, visibility("hidden"))) void vost_main(const uintptr_t *stack);

void vost_main(const uintptr_t *stack) {
  const char *const *arguments = (const char *const *)(stack + 1);
  if (stack[0] == 2 && (strcmp(arguments[1], "-version") == 0 || strcmp(arguments[1], "--version") == 0)) {
    say(1,
        "vast-ost OpenStorage plugin " VOST_VERSION " (servers " VOST_PREFIX "<id>, OST interface 9 to 11)\n");
    _exit(0);
  }
  say(2, "usage: libstspiVastData.so -version\n"
         "This is a NetBackup OpenStorage plugin; it belongs into /usr/openv/lib/ost-plugins/.\n");
  _exit(2);
}
