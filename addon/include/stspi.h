/*
 * The OpenStorage (OST) plug-in interface as this product uses it, in our own words.
 *
 * This is the only file that knows the ABI. No public source gives struct layouts, flag values or
 * the full list of error numbers, so what stands here is an interface of the same shape as the
 * public descriptions, not the vendor's binary interface. A site that holds the vendor's SDK builds
 * with `make plugin STS_SDK=dir`, where dir has its own stspi.h (docs/ost-abi.md says what it needs).
 *
 * Marks: [public] name and number are public, source in docs/ost-abi.md; [name] the name is public,
 * the value is ours; [ours] name and value are ours.
 *
 * Strings in structs need not be terminated when they fill their array. Every function returns
 * an STS_E… number. Handles may be used by any thread, by one thread at a time (server handles:
 * by several). Out-parameters are written on success only, unless said otherwise.
 */
#ifndef STSPI_H
#define STSPI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STS_VERSION_11 11u /* [name] interface version that stsp_init is called with; 9 … 11 are accepted */
#define STS_VERSION_MIN 9u

#define STS_BLOCK_SIZE 512u      /* [public] unit of write lengths and offsets */
#define STS_MAX_STSNAME 256      /* [name] bytes with terminator, as all below */
#define STS_MAX_IF 256           /* [name] */
#define STS_MAX_LSUNAME 256      /* [name] */
#define STS_MAX_IMAGENAME 256    /* [name] */
#define STS_MAX_DATE 128         /* [ours] */
#define STS_MAX_TEXT 128         /* [ours] */
#define STS_MAX_CRED 1024        /* [ours] user name, password, each */
#define STS_MAX_CONFIG 65536     /* [ours] configuration text, event payload */
#define STS_MAX_META (16u << 20) /* [ours] one metadata blob */
#define STS_UNKNOWN UINT64_MAX   /* [ours] a size or count that is not known */

/* ---- results ---- */
#define STS_EOK 0              /* [public] */
#define STS_EINVAL 2060001     /* [public number] one or more invalid arguments */
#define STS_ENOMEM 2060002     /* [public number] memory allocation */
#define STS_EBUSY 2060005      /* [public] object is busy, cannot be closed */
#define STS_EAGAIN 2060012     /* [public number] call should be repeated */
#define STS_ENOENT 2060013     /* [public] no more entries; image does not exist */
#define STS_EABORT 2060014     /* [public number] operation aborted */
#define STS_ESYSCALL 2060017   /* [public number] system call failed */
#define STS_ENOTFOUND 2060018  /* [public number] object not found */
#define STS_ESOCK 2060019      /* [public number] error occurred on network socket */
#define STS_EINTERNAL 2060022  /* [public number] software error */
#define STS_EAUTH 2060029      /* [public number] authorization failure */
#define STS_EACCESS 2060037    /* [public number] access not allowed */
#define STS_EPLUGIN 2060046    /* [public] plugin error */
#define STS_EWRITEPROT 2060057 /* [public number] media is write protected */
#define STS_EWORM_MIN 2060064  /* [public number] WORM lock time below the minimum */
#define STS_EWORM_MAX 2060065  /* [public number] WORM lock time above the maximum */
#define STS_EWORM_LOCK 2060069 /* [public number] image is WORM locked */
#define STS_ECLAIM 2060901     /* [name] not a server of this plugin */
#define STS_ENOSPC 2060902     /* [name] out of space */
#define STS_ECONNECT 2060903   /* [name] connection limit */
#define STS_EEXIST 2060904     /* [ours] image is there already */
#define STS_ENOTSUP 2060905    /* [ours] not supported by this server */

/* ---- plug-in ---- */
typedef struct sts_plugin_info {
  uint32_t pi_version;                  /* interface version in use */
  char pi_vendor_version[STS_MAX_TEXT]; /* version of the plugin */
  char pi_prefix[STS_MAX_TEXT];         /* what server names start with */
} sts_plugin_info_t;

/* Severities of log lines, as NetBackup's debug logs mark them. */
#define STS_LOG_DEBUG 2
#define STS_LOG_INFO 4
#define STS_LOG_WARNING 8
#define STS_LOG_ERROR 16

/* What the host says about itself. May be NULL everywhere. */
typedef struct sts_session {
  const char *se_application;                                    /* bptm, bpdm, … */
  const char *se_job;                                            /* job id */
  void (*se_log)(void *context, int severity, const char *line); /* NULL: none; must not call back */
  void *se_log_context;
} sts_session_t;

/* ---- storage server ---- */
typedef struct stsp_server *stsp_server_handle_t;

#define STS_CRED_NONE 0  /* [ours] */
#define STS_CRED_CLEAR 1 /* [name] */
#define STS_CRED_MD5 2   /* [name] */
/* cr_cert holds user name and password as two terminated strings, one after the other [name]. */
typedef struct sts_cred {
  uint32_t cr_type;
  uint32_t cr_length; /* bytes used of cr_cert */
  char cr_cert[2 * STS_MAX_CRED];
} sts_cred_t;

#define STS_SRV_DISK 0x0001u      /* [name] */
#define STS_SRV_CRED 0x0002u      /* [name] wants credentials */
#define STS_SRV_STORED_EV 0x0004u /* [name] keeps events */

/* [name] for WRITE_IMAGE_RANDOM and COPY_IMAGE, [ours] for the others: one bit per ability */
#define STS_SRVC_WRITE_IMAGE_RANDOM 0x0001u
#define STS_SRVC_COPY_IMAGE 0x0002u
#define STS_SRVC_COPY_EXTENT 0x0004u
#define STS_SRVC_ASYNC_COPY 0x0008u
#define STS_SRVC_EVENTS 0x0010u
#define STS_SRVC_IMAGE_META 0x0020u
#define STS_SRVC_CONFIG 0x0040u
#define STS_SRVC_LABEL 0x0080u
#define STS_SRVC_WORM 0x0100u

typedef struct sts_server_info {
  char srv_name[STS_MAX_STSNAME];
  uint32_t srv_flags; /* STS_SRV_… */
  uint32_t srv_cap;   /* STS_SRVC_… */
  uint32_t srv_max_handles;
  char srv_version[STS_MAX_TEXT]; /* of the engine behind the plugin */
  char srv_plugin_version[STS_MAX_TEXT];
} sts_server_info_t;

/* ---- logical storage units ---- */
typedef struct stsp_lsu_list *stsp_lsu_list_handle_t;

typedef struct sts_lsu {
  stsp_server_handle_t sl_server;
  char sl_name[STS_MAX_LSUNAME];
} sts_lsu_t;

#define STS_LSUF_READ 0x0001u       /* [ours] */
#define STS_LSUF_WRITE 0x0002u      /* [ours] */
#define STS_LSUF_WORM 0x0004u       /* [ours] */
#define STS_LSUF_REP_SOURCE 0x0008u /* [name] */
#define STS_LSUF_REP_TARGET 0x0010u /* [name] */
#define STS_LSUF_DEDUP 0x0020u      /* [ours] the storage deduplicates by itself */

typedef struct sts_lsu_info {
  char lsu_name[STS_MAX_LSUNAME];
  char lsu_label[STS_MAX_LSUNAME];
  char lsu_description[STS_MAX_LSUNAME];
  uint64_t lsu_flags;
  uint64_t lsu_capacity; /* bytes; STS_UNKNOWN where not known, as all below */
  uint64_t lsu_used;
  uint64_t lsu_capacity_phys;
  uint64_t lsu_used_phys;
  uint64_t lsu_images;
  uint64_t lsu_worm_min; /* seconds */
  uint64_t lsu_worm_max;
} sts_lsu_info_t;

/* ---- images ---- */
typedef struct stsp_image *stsp_image_handle_t;
typedef struct stsp_image_list *stsp_image_list_handle_t;

/* All fields together are the identity. A plugin's trace shows basename : date : full name : number :
   number : text : text; the meaning of the last four is not public. */
typedef struct sts_image_def {
  char img_basename[STS_MAX_IMAGENAME];
  char img_date[STS_MAX_DATE];
  char img_fullname[STS_MAX_IMAGENAME];
  uint32_t img_number1;
  uint32_t img_number2;
  char img_text1[STS_MAX_TEXT];
  char img_text2[STS_MAX_TEXT];
} sts_image_def_t;

#define STS_II_IMAGE_PENDING 0x0001u /* [name] */
#define STS_II_IMAGE_CREATED 0x0002u /* [name] */
#define STS_II_BUSY_WRITE 0x0004u    /* [name] */
#define STS_II_BUSY_READ 0x0008u     /* [ours] */

typedef struct sts_image_info {
  sts_image_def_t imo_def;
  uint64_t imo_size;    /* logical bytes; grows while writing */
  uint64_t imo_stored;  /* bytes in storage */
  uint64_t imo_created; /* seconds since the epoch */
  uint64_t imo_modified;
  uint64_t imo_locked_until; /* 0: no lock */
  uint32_t imo_flags;        /* STS_II_… */
  uint32_t imo_fragments;
  uint32_t imo_metas;
} sts_image_info_t;

/* What the host says about the content of a write. Not used by this plugin. */
typedef struct sts_stat {
  uint32_t st_type;
} sts_stat_t;

#define STS_O_READ 1u  /* [ours] */
#define STS_O_WRITE 2u /* [ours] */

#define STS_CLOSEF_IH_COMPLETE 1u   /* [name] commit; also for read handles */
#define STS_CLOSEF_IH_INCOMPLETE 2u /* [name] keep pending, may be opened for writing again */

typedef struct sts_close_report {
  char cl_report[1024]; /* one line for the job's details */
} sts_close_report_t;

/* ---- copy ---- */
typedef uint64_t stsp_opid_t;
#define STS_COPYF_EVENT 0x0001u /* [ours] announce the finished copy as an event */

typedef struct sts_copy_progress {
  uint32_t cp_done;  /* 1: finished */
  uint64_t cp_bytes; /* so far */
  uint64_t cp_total;
} sts_copy_progress_t;

/* ---- events ---- */
typedef struct stsp_evchannel *stsp_evchannel_handle_t;

#define STS_EVT_IMG_REP 1u /* [name] an image arrived by copy */
#define STS_EVT_LSU 2u     /* [ours] an LSU changed */
#define STS_EVT_IMG_DEL 3u /* [ours] an image was deleted */
#define STS_EVT_IMG_NEW 4u /* [ours] an image became complete */
#define STS_EVT_SPACE 5u   /* [ours] an LSU crossed a water mark */
#define STS_EVT_SERVER 6u  /* [ours] the storage server reports something: an alarm, a failure */

typedef struct sts_event {
  uint64_t ev_sequence;
  uint64_t ev_time;
  uint32_t ev_type;
  uint32_t ev_payload; /* bytes */
  char ev_lsu[STS_MAX_LSUNAME];
  sts_image_def_t ev_image;
} sts_event_t;

/* ---- functions ---- */
/* Once per process before all others; counted. `path` names the library file and may be NULL. */
int stsp_init(uint32_t version, const char *path, sts_plugin_info_t *info);
/* STS_EOK when the name is ours, else STS_ECLAIM. Talks to nobody; works before stsp_init. */
int stsp_claim(const char *server_name);
/* Closes what is open and leaves nothing behind. STS_EBUSY while a call does not end. */
int stsp_terminate(void);

int stsp_open_server(const sts_session_t *session, const char *server_name, const sts_cred_t *cred,
                     const char *interface, stsp_server_handle_t *server);
/* STS_EBUSY while an image, list or channel of it is open. */
int stsp_close_server(stsp_server_handle_t server);
int stsp_get_server_prop(stsp_server_handle_t server, sts_server_info_t *info);
int stsp_get_server_prop_byname(const sts_session_t *session, const char *server_name, sts_server_info_t *info);
/* `*length`: in: room, out: bytes of text without terminator. STS_EINVAL, with *length set, when too small. */
int stsp_get_config(stsp_server_handle_t server, char *text, uint32_t *length);
int stsp_set_config(stsp_server_handle_t server, const char *text);

int stsp_open_lsu_list(stsp_server_handle_t server, stsp_lsu_list_handle_t *list);
/* STS_ENOENT: no more entries. */
int stsp_list_lsu(stsp_lsu_list_handle_t list, char name[STS_MAX_LSUNAME]);
int stsp_close_lsu_list(stsp_lsu_list_handle_t list);
int stsp_get_lsu_prop_byname(const sts_lsu_t *lsu, sts_lsu_info_t *info);
int stsp_label_lsu(const sts_lsu_t *lsu, const char *label);

/* `more`: a hint that this process will make another image on this LSU. */
int stsp_create_image(const sts_lsu_t *lsu, const sts_image_def_t *image, int more,
                      stsp_image_handle_t *handle);
int stsp_open_image(const sts_lsu_t *lsu, const sts_image_def_t *image, uint32_t mode,
                    stsp_image_handle_t *handle);
/* Length and offset: multiples of STS_BLOCK_SIZE. `written` is set on errors too. */
int stsp_write_image(stsp_image_handle_t handle, const sts_stat_t *stat, const void *buffer, uint64_t length,
                     uint64_t offset, uint64_t *written);
/* Fewer bytes than asked for: the image ends there. */
int stsp_read_image(stsp_image_handle_t handle, void *buffer, uint64_t length, uint64_t offset, uint64_t *got);
int stsp_flush(stsp_image_handle_t handle);
/* The handle is gone afterwards, also on errors. `report` may be NULL. */
int stsp_close_image(stsp_image_handle_t handle, uint32_t flags, sts_close_report_t *report);
int stsp_delete_image(const sts_lsu_t *lsu, const sts_image_def_t *image, int async);
int stsp_get_image_prop(stsp_image_handle_t handle, sts_image_info_t *info);
int stsp_get_image_prop_byname(const sts_lsu_t *lsu, const sts_image_def_t *image, sts_image_info_t *info);
/* `kinds`: STS_II_IMAGE_PENDING, STS_II_IMAGE_CREATED or both; 0: created ones. */
int stsp_open_image_list(const sts_lsu_t *lsu, uint32_t kinds, stsp_image_list_handle_t *list);
int stsp_list_image(stsp_image_list_handle_t list, sts_image_info_t *info);
int stsp_close_image_list(stsp_image_list_handle_t list);
/* Blobs are numbered 0 … 63; writing replaces; durable with the next close that succeeds. */
int stsp_write_image_meta(stsp_image_handle_t handle, uint32_t index, const void *buffer, uint32_t length);
/* `*length`: in: room, out: the blob's length. STS_EINVAL, with *length set, when too small. */
int stsp_read_image_meta(stsp_image_handle_t handle, uint32_t index, void *buffer, uint32_t *length);

int stsp_copy_image(const sts_lsu_t *from_lsu, const sts_image_def_t *from, const sts_lsu_t *to_lsu,
                    const sts_image_def_t *to);
/* Bytes of one open image into another open for writing. `copied` is set on errors too. */
int stsp_copy_extent(stsp_image_handle_t to, uint64_t to_offset, stsp_image_handle_t from, uint64_t from_offset,
                     uint64_t length, uint64_t *copied);
int stsp_async_copy_image(const sts_lsu_t *from_lsu, const sts_image_def_t *from, const sts_lsu_t *to_lsu,
                          const sts_image_def_t *to, uint32_t flags, stsp_opid_t *operation);
/* Waits up to `timeout_ms`. STS_EOK: look at cp_done; any error: the operation has ended. An operation
   that ended is forgotten by the wait that says so; one nobody waits for is forgotten at terminate. */
int stsp_async_wait(stsp_opid_t operation, uint32_t timeout_ms, sts_copy_progress_t *progress);
int stsp_async_cancel(stsp_opid_t operation);

/* Pull style: events with a sequence number above `after`. */
int stsp_open_evchannel(stsp_server_handle_t server, uint64_t after, stsp_evchannel_handle_t *channel);
/* STS_ENOENT: none within `timeout_ms`. */
int stsp_get_event(stsp_evchannel_handle_t channel, uint32_t timeout_ms, sts_event_t *event);
/* `*length`: in: room, out: bytes. */
int stsp_get_event_payload(stsp_evchannel_handle_t channel, const sts_event_t *event, void *buffer,
                           uint32_t *length);
int stsp_close_evchannel(stsp_evchannel_handle_t channel);

#ifdef __cplusplus
}
#endif
#endif
