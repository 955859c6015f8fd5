/** Entry point of bench/run; see {@link USAGE}. */
import { readFile, writeFile } from 'node:fs/promises';
import { measureCompression } from './compression.ts';
import { measureDigestCost } from './digest-cost.ts';
import { measureHandOver } from './hand-over.ts';
import { measureLanes } from './lanes.ts';
import { measureLooking } from './looking.ts';
import { describeMachine, watchWithheld } from './machine.ts';
import { measureMemory } from './memory.ts';
import { type BenchOptions, parseOptions, USAGE } from './options.ts';
import { type Title, withSection } from './page.ts';
import { measureReading } from './reading.ts';
import { measureSmall } from './small-images.ts';
import { measureStageCost } from './stage-cost.ts';
import { measureTable } from './table.ts';
import { measureTransfer } from './transfer.ts';
import { verifyChain } from './verify.ts';

const PAGE = 'docs/benchmarks.md';
const VERIFY_BYTES = 4 * 2 ** 30;
/** At memory speed a case needs more bytes to last. */
const HAND_OVER_SHARE = 16;
/** Long enough for more than one scrape. */
const LOOKING_SHARE = 2;
/** As much as a backup through the plugin. */
const DIGESTS_SHARE = 2;
/** Many short runs say more than few long ones where a few percent count. */
const STAGES_SHARE = 1 / 2;
const STAGES_ROUNDS = 3;

const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

const ABOUT_TABLE = `Every case runs in a process of its own, in turns with the others; figures are medians of the runs with their extremes.
CPU is user and system time of all threads of that process from the first byte to the commit. The source is a ring
of 8 MiB, written in pieces of 256 KiB. Chunks and parts have 64 MiB, four parts are under way, the memory budget is 512 MiB.
"Chain" ends in a store that forgets everything at once. "Image" is ImageWriter, manifest and all. S3 is a sink on
the same machine that discards what it gets: its CPU time, in a column of its own, competes with the case's.
lib-storage has the same part size and concurrency, and a stream that spares it one copy of the data. Its \`unsigned\`
row protects the payload by nothing; the image rows always compute the image's SHA-256 tree. Ratios are to the first row and to
lib-storage with its defaults. Speed depends on what else the machine does; CPU per GiB and ratios less so.`;

const ABOUT_MEMORY = `A source as fast as memory, a sink that takes 8 MiB/s at first and anything later. Peak resident memory of the whole
process, generator included and 20 MiB for the program's types that the shipped one does not have, must stay below the budget and 200 MiB.`;

const ABOUT_HAND_OVER = `From the host's buffer into shared memory and to the engine: \`ost-host bench\` writes with 256 KiB per call from a source
larger than the caches. "Two C processes" is the least that can be: one copy into 8 slots of 64 MiB, one semaphore each way, and a
reader that looks at nothing. "Discarded" is plugin, socket, session and slot grants of the real engine, whose images give
every slot back at once. The clock runs from when every slot has its pages to when the last one came back; the engine's CPU time
is of its whole life, images created, closed and deleted. The last two go all the way: tree hash, index, manifest, unsigned parts over HTTP
to the sink.`;

const ABOUT_LANES = `The whole way, as below, by the number of threads that images are worked on in. Loops are busy while they run JavaScript, TLS and system calls; the rest
of the engine's CPU time is that of V8's helpers and of the digests' threads. What follows for larger machines: docs/performance.md.`;

const ABOUT_STAGES = `A stage of a vendor, with \`placement: worker\`, in an image that is written like those of the write chain, in turns with the same image without
one. Ratios are medians over the rounds, each to the runs without a stage of the same round; in brackets is where the median of very many rounds
would lie, with 95 %. What is wanted is "not told apart" when that reaches it and the median does not. The observer and the transform that does
nothing cost nothing of their own. The one that returns new memory makes one copy itself, and the one that works in place changes every byte, so
that most of their ratios is their own work. CPU says more than time on a machine that does other things as well.`;

const ABOUT_COMPRESSION = `The same image with \`compression = none\`, \`lz4\` and \`auto\`, in turns, to a sink that takes bytes at any rate, or at a limited one. "Better" is the
better one of \`none\` and \`lz4\` of the same round. As in an engine that runs, an image
of 1 GiB was written to the same sink before, which is not in the figures.`;

const ABOUT_TRANSFER = `Into the sink, over HTTP and over TLS 1.3. "Plugin → engine" is \`ost-host bench\` as above, digest on, journal, index and manifest included;
its CPU is that of plugin, host and engine. "C program" is the least that can be: threads that copy parts from memory, hash them with the same code
and send each over a connection of its own. The others send a file of random bytes that is in memory, and count from the start of
the command to its end, as an administrator would call them. "CPU bound" is what the processors could carry if they did nothing else: their
number over the sum of CPU-seconds per GiB of sender and sink.`;

const ABOUT_READING = `Through the plugin, every leaf verified, beside a backup of as many bytes by as many streams in the same round. Then each stream
reads 512 bytes to 128 KiB at random places, as a browsed restore does. A read costs one request and fetches the leaves of 1 MiB that it touches, without which nothing can be
verified; the index costs one request for each 4 MiB of it (120 GiB of the image). The commands back up a file that is in memory and restore to
nowhere, and count from their start to their end. The sink drops what it gets within the kernel, and has to copy what it gives; "CPU bound" is what the
processors could carry with its share. The directory's disk changes its speed from minute to minute; fio uses it in turns with us.`;

const ABOUT_DIGESTS = `Through plugin and engine into a directory, with the tree of digests and with none: an engine of which every leaf has the same digest, at no
cost. How a directory compares with fio: Restore.`;

const ABOUT_SMALL = `Created, written with 4 KiB, closed complete, one after the other in each stream; no request of one image runs beside another of the
same stream. CPU and requests are with the image's deletion (four requests), images per second without.`;

const ABOUT_LOOKING = `Four streams go through plugin and engine to the sink, while nobody looks, Prometheus does, and people do too. Engines differ from run to
run by more than looking costs, so the share is made of what an idle second takes more than without metrics, of the CPU time of one look, both measured on the
same engine after its work, and of how often somebody looks, against the CPU time that the engine took each second of the run.`;

const ABOUT_VERIFY =
  'The sink checks the number in each 256 KiB block: none missing, none twice, none out of place, over all parts of the object.';

/** Whether all was as wanted. */
interface Section {
  readonly title: Title;
  readonly about: string;
  readonly wanted: boolean;
  measure(): Promise<string | Report>;
}

/** Where something has to be reached. */
interface Report {
  readonly markdown: string;
  readonly good: boolean;
}

function sectionsOf(options: BenchOptions): readonly Section[] {
  const { bytes, runs, filter, quick } = options;
  return [
    {
      title: 'Completeness',
      about: ABOUT_VERIFY,
      wanted: options.verify,
      measure: () => verifyChain(quick ? VERIFY_BYTES / 8 : VERIFY_BYTES, say),
    },
    {
      title: 'Write chain',
      about: ABOUT_TABLE,
      wanted: options.table,
      measure: () => measureTable(options, say),
    },
    {
      title: 'Memory',
      about: ABOUT_MEMORY,
      wanted: options.memory,
      measure: () => measureMemory(quick, say),
    },
    {
      title: 'Hand-over',
      about: ABOUT_HAND_OVER,
      wanted: options.handOver,
      measure: () => measureHandOver(bytes * HAND_OVER_SHARE, runs, say),
    },
    {
      title: 'Lanes',
      about: ABOUT_LANES,
      wanted: options.lanes,
      measure: () => measureLanes(bytes, runs, say),
    },
    {
      title: 'What a stage costs',
      about: ABOUT_STAGES,
      wanted: options.stages,
      measure: () => measureStageCost(bytes * STAGES_SHARE, runs * STAGES_ROUNDS, filter, say),
    },
    {
      title: 'Compression',
      about: ABOUT_COMPRESSION,
      wanted: options.compression,
      measure: () => measureCompression(bytes, runs, filter, say),
    },
    {
      title: 'Backup, the whole way',
      about: ABOUT_TRANSFER,
      wanted: options.transfer,
      measure: () => measureTransfer(bytes, runs, filter, say),
    },
    {
      title: 'Digests in a directory',
      about: ABOUT_DIGESTS,
      wanted: options.digests,
      measure: () => measureDigestCost(bytes * DIGESTS_SHARE, runs, say),
    },
    {
      title: 'Restore',
      about: ABOUT_READING,
      wanted: options.reading,
      measure: () => measureReading(bytes, runs, filter, say),
    },
    {
      title: 'Small images',
      about: ABOUT_SMALL,
      wanted: options.reading && filter === '',
      measure: () => measureSmall(runs, say),
    },
    {
      title: 'Metrics and console',
      about: ABOUT_LOOKING,
      wanted: options.looking,
      measure: () => measureLooking(bytes * LOOKING_SHARE, runs, say),
    },
  ];
}

/** Each section is in the page as soon as it is measured. Returns whether all was reached that is wanted. */
async function run(options: BenchOptions): Promise<boolean> {
  const missed: Title[] = [];
  for (const { title, about, wanted, measure } of sectionsOf(options)) {
    if (!wanted) continue;
    const withheld = watchWithheld();
    const found = await measure();
    const report = typeof found === 'string' ? { markdown: found, good: true } : found;
    if (!report.good) missed.push(title);
    const others = `${(withheld() * 100).toFixed(0)} % of the processors were others' meanwhile`;
    const when = new Date().toISOString().slice(0, 10);
    const text = `${about}\n\n${when}, ${describeMachine()}; ${others}.\n\n${report.markdown}`;
    process.stdout.write(`## ${title}\n\n${text}\n\n`);
    if (options.write) await writeFile(PAGE, withSection(await readFile(PAGE, 'utf8'), title, text));
  }
  for (const title of missed) say(`not all that is wanted was reached: ${title}`);
  return missed.length === 0;
}

function optionsOrUsage(): BenchOptions | undefined {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${USAGE}`);
    return undefined;
  }
}

const options = optionsOrUsage();
if (options === undefined) process.exitCode = 2;
else if (!(await run(options))) process.exitCode = 1;
