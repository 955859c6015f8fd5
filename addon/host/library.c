#include "library.h"
#include "host.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

struct library sts;

void library_load(const char *path) {
  sts.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (sts.handle == NULL) {
    fprintf(stderr, "ost-host: %s\n", dlerror());
    exit(EXIT_SETUP);
  }
  sts.path = path;
  void **members = (void **)&sts;
#define NAME(name) "stsp_" #name,
  static const char *const names[] = {LIBRARY_FUNCTIONS(NAME)};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    members[i] = dlsym(sts.handle, names[i]);
    if (members[i] != NULL) continue;
    fprintf(stderr, "ost-host: %s has no %s\n", path, names[i]);
    exit(EXIT_SETUP);
  }
}

void library_unload(void) {
  if (sts.handle != NULL) dlclose(sts.handle);
  sts.handle = NULL;
}
