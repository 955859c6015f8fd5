#include "host.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char text[] =
    "usage: ost-host COMMAND [options]\n"
    "Loads the OpenStorage plugin and plays NetBackup with it.\n"
    "\n"
    "commands\n"
    "  info         plugin, server, LSUs, images (-pi -si -li -ii; all without)\n"
    "  backup       an input, or generated data, to images\n"
    "  restore      those images back, or check generated data\n"
    "  list         images of an LSU (--pending: the incomplete ones too)\n"
    "  delete       all images of a backup\n"
    "  copy         one image (--async: asynchronously, with progress)\n"
    "  events       those after number --after; ends when none has come for --interval\n"
    "  poll         what NetBackup asks every minute, with times\n"
    "  conformance  every promised behaviour, one line each\n"
    "  bench        write through the plugin (--raw: the two-process memory hand-over to compare with; --read: read back,\n"
    "               then --count times at random; --images: --count small images of --generate bytes per stream)\n"
    "\n"
    "options\n"
    "  --library FILE    plugin; default: libstspiVastData.so beside this program\n"
    "  --server NAME     default: $VAST_OST_SERVER or VastData:local\n"
    "  --user NAME       with the password in $VAST_OST_PASSWORD\n"
    "  --lsu NAME        logical storage unit\n"
    "  --image NAME      backup name (list: prefix; copy: exact base name)\n"
    "  --to-lsu, --to-image NAME   copy: target; conformance: the second LSU\n"
    "  --worm-lsu NAME   conformance: an LSU that locks its images; one stays there, locked\n"
    "  --date TEXT       image date, default 1700000000\n"
    "  --policy TEXT     full name of the image, default ost-host\n"
    "  --file FILE       input or output; default: standard input or output\n"
    "  --buffer SIZE     bytes per call, default 256K\n"
    "  --streams N       images at once, default 1\n"
    "  --fragment SIZE   cut each stream into images of this size\n"
    "  --stripe SIZE     how an input is dealt to the streams, default 16M\n"
    "  --generate SIZE   made-up data per stream; with restore: check it\n"
    "  --seed N          of the made-up data, default 1\n"
    "  --pattern NAME    order of writes: forward, swap (pairs), jump (ahead and back)\n"
    "  --incomplete      backup: close the images incomplete\n"
    "  --count N, --interval MS    poll; default: once, 1000. bench: so many reads or images\n"
    "  --after N         events: default 0, all that are kept\n"
    "  --failing-lsu NAME  conformance: an LSU that is out of space, for the late error\n"
    "  --only TEXT       conformance: only checks whose name holds TEXT\n"
    "Sizes: 512, 64K, 16M, 2G.\n"
    "\n"
    "exit codes: 0 all right, 1 a call failed, 2 usage, 3 cannot load or connect, 4 data or behaviour is "
    "wrong\n";

void usage(int code) {
  fputs(text, code == EXIT_OK ? stdout : stderr);
  exit(code);
}

bool parse_size(const char *text_size, uint64_t *bytes) {
  char *end;
  errno = 0;
  unsigned long long number = strtoull(text_size, &end, 10);
  if (end == text_size || errno != 0 || *text_size == '-') return false;
  unsigned shift = 0;
  if (*end == 'K' || *end == 'k')
    shift = 10;
  else if (*end == 'M' || *end == 'm')
    shift = 20;
  else if (*end == 'G' || *end == 'g')
    shift = 30;
  else if (*end == 'T' || *end == 't')
    shift = 40;
  if (shift > 0) end++;
  if (*end != 0 || number > UINT64_MAX >> shift) return false;
  *bytes = (uint64_t)number << shift;
  return true;
}

enum {
  OPT_LIBRARY = 256,
  OPT_SERVER,
  OPT_USER,
  OPT_LSU,
  OPT_IMAGE,
  OPT_TO_LSU,
  OPT_WORM_LSU,
  OPT_TO_IMAGE,
  OPT_DATE,
  OPT_POLICY,
  OPT_FILE,
  OPT_BUFFER,
  OPT_STREAMS,
  OPT_FRAGMENT,
  OPT_STRIPE,
  OPT_GENERATE,
  OPT_SEED,
  OPT_PATTERN,
  OPT_INCOMPLETE,
  OPT_PENDING,
  OPT_ASYNC,
  OPT_RAW,
  OPT_READ,
  OPT_IMAGES,
  OPT_COUNT,
  OPT_INTERVAL,
  OPT_AFTER,
  OPT_ONLY,
  OPT_FAILING_LSU,
  OPT_HELP,
  OPT_PI,
  OPT_SI,
  OPT_LI,
  OPT_II
};

static const struct option long_options[] = {
    {"library", 1, NULL, OPT_LIBRARY},
    {"server", 1, NULL, OPT_SERVER},
    {"user", 1, NULL, OPT_USER},
    {"lsu", 1, NULL, OPT_LSU},
    {"image", 1, NULL, OPT_IMAGE},
    {"to-lsu", 1, NULL, OPT_TO_LSU},
    {"worm-lsu", 1, NULL, OPT_WORM_LSU},
    {"to-image", 1, NULL, OPT_TO_IMAGE},
    {"date", 1, NULL, OPT_DATE},
    {"policy", 1, NULL, OPT_POLICY},
    {"file", 1, NULL, OPT_FILE},
    {"buffer", 1, NULL, OPT_BUFFER},
    {"streams", 1, NULL, OPT_STREAMS},
    {"fragment", 1, NULL, OPT_FRAGMENT},
    {"stripe", 1, NULL, OPT_STRIPE},
    {"generate", 1, NULL, OPT_GENERATE},
    {"seed", 1, NULL, OPT_SEED},
    {"pattern", 1, NULL, OPT_PATTERN},
    {"incomplete", 0, NULL, OPT_INCOMPLETE},
    {"pending", 0, NULL, OPT_PENDING},
    {"async", 0, NULL, OPT_ASYNC},
    {"raw", 0, NULL, OPT_RAW},
    {"read", 0, NULL, OPT_READ},
    {"images", 0, NULL, OPT_IMAGES},
    {"count", 1, NULL, OPT_COUNT},
    {"interval", 1, NULL, OPT_INTERVAL},
    {"after", 1, NULL, OPT_AFTER},
    {"only", 1, NULL, OPT_ONLY},
    {"failing-lsu", 1, NULL, OPT_FAILING_LSU},
    {"help", 0, NULL, OPT_HELP},
    {"pi", 0, NULL, OPT_PI},
    {"si", 0, NULL, OPT_SI},
    {"li", 0, NULL, OPT_LI},
    {"ii", 0, NULL, OPT_II},
    {NULL, 0, NULL, 0},
};

static uint64_t size_argument(const char *name) {
  uint64_t bytes;
  if (parse_size(optarg, &bytes)) return bytes;
  fprintf(stderr, "ost-host: --%s: '%s' is no size or number\n", name, optarg);
  exit(EXIT_USAGE);
}

static void take(struct options *o, int option) {
  switch (option) {
  case OPT_LIBRARY: o->library = optarg; break;
  case OPT_SERVER: o->server = optarg; break;
  case OPT_USER: o->user = optarg; break;
  case OPT_LSU: o->lsu = optarg; break;
  case OPT_IMAGE: o->image = optarg; break;
  case OPT_TO_LSU: o->to_lsu = optarg; break;
  case OPT_WORM_LSU: o->worm_lsu = optarg; break;
  case OPT_TO_IMAGE: o->to_image = optarg; break;
  case OPT_DATE: o->date = optarg; break;
  case OPT_POLICY: o->policy = optarg; break;
  case OPT_FILE: o->file = optarg; break;
  case OPT_BUFFER: o->buffer = size_argument("buffer"); break;
  case OPT_STREAMS: o->streams = (uint32_t)size_argument("streams"); break;
  case OPT_FRAGMENT: o->fragment = size_argument("fragment"); break;
  case OPT_STRIPE: o->stripe = size_argument("stripe"); break;
  case OPT_GENERATE: o->generate = size_argument("generate"); break;
  case OPT_SEED: o->seed = size_argument("seed"); break;
  case OPT_PATTERN: o->pattern = optarg; break;
  case OPT_INCOMPLETE: o->incomplete = true; break;
  case OPT_PENDING: o->pending = true; break;
  case OPT_ASYNC: o->async = true; break;
  case OPT_RAW: o->raw = true; break;
  case OPT_READ: o->read = true; break;
  case OPT_IMAGES: o->images = true; break;
  case OPT_COUNT: o->count = (uint32_t)size_argument("count"); break;
  case OPT_INTERVAL: o->interval_ms = (uint32_t)size_argument("interval"); break;
  case OPT_AFTER: o->after = size_argument("after"); break;
  case OPT_ONLY: o->only = optarg; break;
  case OPT_FAILING_LSU: o->failing_lsu = optarg; break;
  case OPT_PI: o->info |= INFO_PLUGIN; break;
  case OPT_SI: o->info |= INFO_SERVER; break;
  case OPT_LI: o->info |= INFO_LSU; break;
  case OPT_II: o->info |= INFO_IMAGE; break;
  case OPT_HELP: usage(EXIT_OK); break;
  default: usage(EXIT_USAGE);
  }
}

static bool whole(uint64_t bytes) {
  return bytes > 0 && bytes % STS_BLOCK_SIZE == 0;
}

void parse_options(int argc, char **argv, struct options *options) {
  const char *server = getenv("VAST_OST_SERVER");
  *options = (struct options){
      .server = server != NULL ? server : "VastData:local",
      .password = getenv("VAST_OST_PASSWORD"),
      .date = "1700000000",
      .policy = "ost-host",
      .buffer = 256 << 10,
      .stripe = 16 << 20,
      .seed = 1,
      .streams = 1,
      .count = 1,
      .interval_ms = 1000,
      .pattern = "forward",
  };
  int option;
  /* -pi and the like have one dash, as bpstsinfo has them. */
  while ((option = getopt_long_only(argc, argv, "", long_options, NULL)) != -1) take(options, option);
  if (optind < argc) usage(EXIT_USAGE);
  const char *problem = NULL;
  if (!whole(options->buffer) || options->buffer > (1 << 30))
    problem = "--buffer must be a multiple of 512 up to 1G";
  if (options->fragment % STS_BLOCK_SIZE != 0) problem = "--fragment must be a multiple of 512";
  if (!whole(options->stripe)) problem = "--stripe must be a multiple of 512";
  if (options->generate % STS_BLOCK_SIZE != 0) problem = "--generate must be a multiple of 512";
  if (options->streams < 1 || options->streams > 256) problem = "--streams must be 1 to 256";
  if (problem == NULL) return;
  fprintf(stderr, "ost-host: %s\n", problem);
  exit(EXIT_USAGE);
}
