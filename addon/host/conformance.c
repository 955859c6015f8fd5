#include "host.h"
int command_conformance(const struct options *options) { (void)options; return EXIT_USAGE; }
