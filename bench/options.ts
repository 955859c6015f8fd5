import { parseArgs } from 'node:util';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

export interface BenchOptions {
  /** How often each case runs. */
  readonly runs: number;
  /** Bytes of a case with share 1. */
  readonly bytes: number;
  /** Only cases whose name holds this. */
  readonly filter: string;
  readonly quick: boolean;
  readonly memory: boolean;
  readonly verify: boolean;
  readonly table: boolean;
  readonly handOver: boolean;
  readonly lanes: boolean;
  readonly stages: boolean;
  readonly compression: boolean;
  readonly transfer: boolean;
  readonly digests: boolean;
  readonly reading: boolean;
  readonly looking: boolean;
  readonly profile: string | undefined;
  /** Write docs/benchmarks.md. */
  readonly write: boolean;
}

const SECTIONS: readonly string[] = [
  'table',
  'verify',
  'memory',
  'hand-over',
  'lanes',
  'transfer',
  'digests',
  'reading',
  'looking',
  'stages',
  'compression',
];

export const USAGE = `Usage: bench/run [options]
Measures the write chain, the hand-over by the plugin, backups and restores against a discarding sink and beside other programs, and what stages and
metrics cost: two hours, minutes with --quick. Each section is in docs/benchmarks.md as soon as it is measured.
  --quick          one run of small sizes
  --runs N         runs of each case (default 5)
  --size MIB       bytes of a fast case (default 4096); slow cases get a share of it
  --filter TEXT    only cases whose name holds TEXT; of stages, TARGET/STAGE; of compression, SINK, DATA
  --only WHAT      one of ${SECTIONS.join(', ')}
  --profile DIR    leave a V8 CPU profile of each case there; the figures suffer
  --no-write       do not write docs/benchmarks.md (a filtered, quick or profiled run never does)
`;

/** Everything the command line says. Throws when it says nonsense. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      runs: { type: 'string' },
      size: { type: 'string' },
      filter: { type: 'string', default: '' },
      only: { type: 'string' },
      profile: { type: 'string' },
      'no-write': { type: 'boolean', default: false },
    },
  });
  const { quick, filter, only, profile } = values;
  if (only !== undefined && !SECTIONS.includes(only)) throw new Error(`--only ${only}`);
  const runs = values.runs === undefined ? (quick ? 1 : 5) : count('--runs', values.runs);
  const bytes = values.size === undefined ? (quick ? GIB : 4 * GIB) : count('--size', values.size) * MIB;
  const wants = (what: string): boolean => only === undefined || only === what;
  const whole = !quick && filter === '' && profile === undefined;
  return {
    runs,
    bytes,
    filter,
    quick,
    profile,
    table: wants('table'),
    verify: wants('verify'),
    memory: wants('memory'),
    handOver: wants('hand-over') && filter === '',
    lanes: wants('lanes') && filter === '',
    stages: wants('stages') && (filter === '' || only === 'stages'),
    compression: wants('compression') && (filter === '' || only === 'compression'),
    transfer: wants('transfer'),
    digests: wants('digests') && filter === '',
    reading: wants('reading') && (filter === '' || only === 'reading'),
    looking: wants('looking') && filter === '',
    write: whole && !values['no-write'],
  };
}

function count(option: string, text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0 && number < 1e7) return number;
  throw new Error(`${option} ${text}`);
}
