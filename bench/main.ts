/** Entry point of bench/run; see {@link USAGE}. */
import { writeFile } from 'node:fs/promises';
import { measureCompression } from './compression.ts';
import { measureHandOver } from './hand-over.ts';
import { measureLanes } from './lanes.ts';
import { measureLooking } from './looking.ts';
import { describeMachine } from './machine.ts';
import { measureMemory } from './memory.ts';
import { type BenchOptions, parseOptions, USAGE } from './options.ts';
import { measureReading } from './reading.ts';
import { measureSmall } from './small-images.ts';
import { measureStageCost } from './stage-cost.ts';
import { measureTable } from './table.ts';
import { measureTransfer } from './transfer.ts';
import { verifyChain } from './verify.ts';

const VERIFY_BYTES = 4 * 2 ** 30;
/** At memory speed a case needs more bytes to last. */
const HAND_OVER_SHARE = 16;
/** Long enough for more than one scrape. */
const LOOKING_SHARE = 2;
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
process, generator included, must stay below the budget and 200 MiB.`;

const ABOUT_HAND_OVER = `From the host's buffer into shared memory and to the engine: \`ost-host bench\` writes with 256 KiB per call from a source
larger than the caches. "Two C processes" is the least that can be: one copy into 8 slots of 64 MiB, one semaphore each way, and a
reader that looks at nothing. "Discarded" is plugin, socket, session and slot grants of the real engine, whose images give
every slot back at once. The clock runs from when every slot has its pages to when the last one came back; the engine's CPU time
is of its whole life, images created, closed and deleted. The last two go all the way: tree hash, index, manifest, unsigned parts over HTTP
to the sink.`;

const ABOUT_LANES = `The whole way, as below, by the number of threads that images are worked on in. Loops are busy while they run JavaScript, TLS and system calls; the rest
of the engine's CPU time is that of V8's helpers and of the digests' threads. What follows for larger machines: docs/performance.md.`;

const ABOUT_STAGES = `A stage of a vendor, with \`placement: worker\`, in an image that is written like those of the write chain, in turns with the same image without
one. Ratios are medians over the rounds, each to the run without a stage of the same round; "no stage, again" shows how much of them is
noise. The observer and the transform that does nothing cost nothing of their own. The one that returns new memory makes one copy
itself, and the one that works in place changes every byte, so that most of their ratios is their own work. CPU says more than time on a
machine that does other things as well.`;

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
nowhere, and count from their start to their end.`;

const ABOUT_SMALL = `Created, written with 4 KiB, closed complete, one after the other in each stream; no request of one image runs beside another of the
same stream.`;

const ABOUT_LOOKING = `Four streams go through plugin and engine to the sink, while nobody looks, Prometheus does, and people do too. Engines differ from run to
run by more than looking costs, so the share is made of what an idle second takes more than without metrics, of the CPU time of one look, both measured on the
same engine after its work, and of how often somebody looks, against the CPU time that the engine took each second of the run.`;

const ABOUT_VERIFY =
  'The sink checks the number in each 256 KiB block: none missing, none twice, none out of place, over all parts of the object.';

/** Whether all was as wanted. */
async function run(options: BenchOptions): Promise<boolean> {
  const sections = [`# Benchmarks\n\nMade by \`make bench\`. ${describeMachine()}.`];
  const shortfalls: string[] = [];
  if (options.verify) {
    const lines = await verifyChain(options.quick ? VERIFY_BYTES / 8 : VERIFY_BYTES, say);
    sections.push(`## Completeness\n\n${ABOUT_VERIFY}\n\n${lines}`);
  }
  if (options.table) sections.push(`## Write chain\n\n${ABOUT_TABLE}\n\n${await measureTable(options, say)}`);
  if (options.memory) {
    const report = await measureMemory(options.quick, say);
    sections.push(`## Memory\n\n${ABOUT_MEMORY}\n\n${report.markdown}`);
    if (!report.good) shortfalls.push('peak memory is above the budget and its allowance');
  }
  if (options.handOver) {
    const report = await measureHandOver(options.bytes * HAND_OVER_SHARE, options.runs, say);
    sections.push(`## Hand-over\n\n${ABOUT_HAND_OVER}\n\n${report.markdown}`);
    if (!report.good) shortfalls.push('the hand-over is slower, or costs more, than wanted');
  }
  if (options.lanes) {
    const table = await measureLanes(options.bytes, options.runs, say);
    sections.push(`## Lanes\n\n${ABOUT_LANES}\n\n${table}`);
  }
  if (options.stages) {
    const { runs, bytes, filter } = options;
    const report = await measureStageCost(bytes * STAGES_SHARE, runs * STAGES_ROUNDS, filter, say);
    sections.push(`## What a stage costs\n\n${ABOUT_STAGES}\n\n${report.markdown}`);
    if (!report.good) shortfalls.push('a stage costs more than wanted');
  }
  if (options.compression) {
    const { runs, bytes, filter } = options;
    const report = await measureCompression(bytes, runs, filter, say);
    sections.push(`## Compression\n\n${ABOUT_COMPRESSION}\n\n${report.markdown}`);
    if (!report.good) shortfalls.push('compression = auto is slower than it should be');
  }
  if (options.transfer) {
    const table = await measureTransfer(options.bytes, options.runs, options.filter, say);
    sections.push(`## Backup, the whole way\n\n${ABOUT_TRANSFER}\n\n${table}`);
  }
  if (options.reading) {
    const restored = await measureReading(options.bytes, options.runs, options.filter, say);
    sections.push(`## Restore\n\n${ABOUT_READING}\n\n${restored}`);
  }
  if (options.reading && options.filter === '') {
    sections.push(`## Small images\n\n${ABOUT_SMALL}\n\n${await measureSmall(options.runs, say)}`);
  }
  if (options.looking) {
    const report = await measureLooking(options.bytes * LOOKING_SHARE, options.runs, say);
    sections.push(`## Metrics and console\n\n${ABOUT_LOOKING}\n\n${report.markdown}`);
    if (!report.good) shortfalls.push('metrics and console cost more than wanted');
  }
  const document = `${sections.join('\n\n')}\n`;
  process.stdout.write(document);
  if (options.write) await writeFile('docs/benchmarks.md', document);
  for (const shortfall of shortfalls) say(shortfall);
  return shortfalls.length === 0;
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
