#include "call.h"
#include <string.h>

int copy_string(struct call *call, const char *what, const char *text, char *out, size_t space) {
  if (text == NULL) return fail(&call->failure, STS_EINVAL, "%s is NULL", what);
  size_t length = strnlen(text, space);
  if (length == space) return fail(&call->failure, STS_EINVAL, "%s is longer than %zu bytes", what, space - 1);
  memset(out, 0, space);
  memcpy(out, text, length);
  return STS_EOK;
}

int copy_lsu(struct call *call, const sts_lsu_t *lsu, char name[STS_MAX_LSUNAME], struct server **server) {
  if (lsu == NULL) return fail(&call->failure, STS_EINVAL, "the LSU is NULL");
  int status = call_server(call, lsu->sl_server, server);
  if (status == STS_EOK) status = copy_string(call, "the LSU name", lsu->sl_name, name, STS_MAX_LSUNAME);
  if (status == STS_EOK && *name == 0) status = fail(&call->failure, STS_EINVAL, "the LSU name is empty");
  return status;
}

int copy_def(struct call *call, const sts_image_def_t *def, sts_image_def_t *out) {
  if (def == NULL) return fail(&call->failure, STS_EINVAL, "the image definition is NULL");
  memset(out, 0, sizeof(*out));
  int status =
      copy_string(call, "the base name", def->img_basename, out->img_basename, sizeof(out->img_basename));
  if (status == STS_EOK)
    status = copy_string(call, "the image date", def->img_date, out->img_date, sizeof(out->img_date));
  if (status == STS_EOK)
    status =
        copy_string(call, "the full name", def->img_fullname, out->img_fullname, sizeof(out->img_fullname));
  if (status == STS_EOK)
    status = copy_string(call, "text 1", def->img_text1, out->img_text1, sizeof(out->img_text1));
  if (status == STS_EOK)
    status = copy_string(call, "text 2", def->img_text2, out->img_text2, sizeof(out->img_text2));
  if (status == STS_EOK && out->img_basename[0] == 0)
    status = fail(&call->failure, STS_EINVAL, "the base name is empty");
  out->img_number1 = def->img_number1;
  out->img_number2 = def->img_number2;
  return status;
}

void export_id(const struct wire_image_id *id, sts_image_def_t *def) {
  memset(def, 0, sizeof(*def));
  wire_copy_text(id->basename, def->img_basename, sizeof(def->img_basename));
  wire_copy_text(id->date, def->img_date, sizeof(def->img_date));
  wire_copy_text(id->fullname, def->img_fullname, sizeof(def->img_fullname));
  wire_copy_text(id->text1, def->img_text1, sizeof(def->img_text1));
  wire_copy_text(id->text2, def->img_text2, sizeof(def->img_text2));
  def->img_number1 = id->number1;
  def->img_number2 = id->number2;
}

void export_info(const struct wire_image_entry *entry, sts_image_info_t *info) {
  memset(info, 0, sizeof(*info));
  export_id(&entry->id, &info->imo_def);
  info->imo_size = entry->info.size;
  info->imo_stored = entry->info.stored;
  info->imo_created = entry->info.created;
  info->imo_modified = entry->info.modified;
  info->imo_locked_until = entry->info.locked_until;
  info->imo_flags = (entry->info.flags & WIRE_IMAGE_PENDING ? STS_II_IMAGE_PENDING : 0) |
                    (entry->info.flags & WIRE_IMAGE_CREATED ? STS_II_IMAGE_CREATED : 0) |
                    (entry->info.flags & WIRE_IMAGE_BUSY_WRITE ? STS_II_BUSY_WRITE : 0) |
                    (entry->info.flags & WIRE_IMAGE_BUSY_READ ? STS_II_BUSY_READ : 0);
  info->imo_fragments = entry->info.fragments;
  info->imo_metas = entry->info.metas;
}
