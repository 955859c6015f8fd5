#ifndef VOST_VERSION_H
#define VOST_VERSION_H

/* Set by plugin.mk from package.json. */
#ifndef VOST_VERSION
#define VOST_VERSION "0.0.0"
#endif

#define VOST_PREFIX "VastData:"

#endif
