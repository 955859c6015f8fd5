/* The life of a slab: whoever lets go last unmaps it. */
#include "slab.h"

#include <string.h>
#include <sys/mman.h>

#include "check.h"

#define BYTES (16u * SLAB_ALIGNMENT)

static int is_mapped(void *data) {
    unsigned char resident[16];
    return mincore(data, BYTES, resident) == 0;
}

int main(void) {
    /* Freed, then forgotten by the finalizer. */
    struct slab *slab = slab_map(BYTES);
    CHECK(slab != NULL);
    char *data = slab_data(slab);
    CHECK((uintptr_t)data % SLAB_ALIGNMENT == 0 && is_mapped(data));
    CHECK(slab_hold(data + 1) == NULL);
    memset(data, 1, BYTES);
    CHECK(slab_trim(slab, 0) == 0 && data[0] == 0 && data[BYTES - 1] == 0);
    slab_free(slab);
    CHECK(!is_mapped(data) && slab_hold(data) == NULL);
    slab_free(slab);
    slab_forget(slab);

    /* Held by a reader while it is freed and forgotten. */
    slab = slab_map(BYTES);
    CHECK(slab != NULL);
    data = slab_data(slab);
    CHECK(slab_hold(data) == slab);
    slab_free(slab);
    slab_forget(slab);
    CHECK(is_mapped(data) && slab_hold(data) == NULL);
    slab_release(slab);
    CHECK(!is_mapped(data));

    /* Many at once, forgotten without being freed. */
    struct slab *slabs[3000];
    for (unsigned i = 0; i < 3000; i++) CHECK((slabs[i] = slab_map(BYTES)) != NULL);
    for (unsigned i = 0; i < 3000; i++) {
        data = slab_data(slabs[i]);
        CHECK(slab_hold(data) == slabs[i]);
        slab_release(slabs[i]);
        slab_forget(slabs[i]);
        CHECK(slab_hold(data) == NULL);
    }
    CHECK(slab_map((size_t)1 << 60) == NULL);
    printf("slab: ok\n");
    return 0;
}
