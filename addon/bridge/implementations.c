#include "implementations.h"

const struct implementation *const implementations[] = {
    &sha256_openssl,
    &md5_openssl,
    &xxh32_portable,
    NULL,
};
