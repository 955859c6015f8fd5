/* From results of the engine to STS numbers, and their names for log lines. */
#ifndef VOST_STATUS_H
#define VOST_STATUS_H

#include <stdint.h>

/* The STS number of an enum wire_result. */
int status_of_result(uint32_t result);
/* "STS_EBUSY" for 2060005; "STS_?" for numbers we never return. */
const char *status_name(int status);

#endif
