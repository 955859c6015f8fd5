/* What the files of the Node-API surface share. */
#ifndef VAST_OST_MODULE_H
#define VAST_OST_MODULE_H

#include <node_api.h>
#include <stdbool.h>




/* The functions' and the error texts' names are the same. */
napi_value alloc_slab(napi_env env, napi_callback_info info);
napi_value free_slab(napi_env env, napi_callback_info info);
napi_value trim_slab(napi_env env, napi_callback_info info);
napi_value leaf_digests(napi_env env, napi_callback_info info);
napi_value sha256(napi_env env, napi_callback_info info);
napi_value md5(napi_env env, napi_callback_info info);
napi_value xxh32(napi_env env, napi_callback_info info);


/* The first argument, or undefined. */
napi_value first_argument(napi_env env, napi_callback_info info);

/* All throw and answer NULL, for `return throw_…`. */
napi_value throw_type(napi_env env, const char *message);
napi_value throw_code(napi_env env, const char *code, const char *message);
/* After a Node-API call failed: keeps the exception that is pending, else makes one. */
napi_value throw_status(napi_env env);

#endif
