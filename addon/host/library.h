/* The plugin library, loaded as NetBackup loads it. */
#ifndef HOST_LIBRARY_H
#define HOST_LIBRARY_H

#include "stspi.h"

#define LIBRARY_FUNCTIONS(F)                                                                                   \
  F(init)                                                                                                      \
  F(claim) F(terminate) F(open_server) F(close_server) F(get_server_prop) F(get_server_prop_byname)            \
      F(get_config) F(set_config) F(open_lsu_list) F(list_lsu) F(close_lsu_list) F(get_lsu_prop_byname)        \
          F(label_lsu) F(create_image) F(open_image) F(write_image) F(read_image) F(flush) F(close_image)      \
              F(delete_image) F(get_image_prop) F(get_image_prop_byname) F(open_image_list) F(list_image)      \
                  F(close_image_list) F(write_image_meta) F(read_image_meta) F(copy_image) F(copy_extent)      \
                      F(async_copy_image) F(async_wait) F(async_cancel) F(open_evchannel) F(get_event)         \
                          F(get_event_payload) F(close_evchannel)

/* sts.write_image(…) is the library's stsp_write_image. */
#define LIBRARY_MEMBER(name) __typeof__(stsp_##name) *name;
struct library {
  LIBRARY_FUNCTIONS(LIBRARY_MEMBER)
  void *handle;
  const char *path;
};

extern struct library sts;

/* Load it and look every function up. Exits with a message when that fails. */
void library_load(const char *path);
void library_unload(void);

#endif
