import { createHash } from 'node:crypto';
import { LEAF_BYTES } from '../src/bridge/bridge.ts';
import { TreeHash } from '../src/stages/tree-hash.ts';
import type { ImageWork } from './case.ts';
import { DEFAULTS, spawnJob } from './run-job.ts';
import { startSink } from './sink.ts';
import { BLOCK_BYTES, GeneratedSource } from './source.ts';

interface Scenario {
  readonly title: string;
  readonly bytes: number;
  readonly chunkBytes: number;
  readonly work: ImageWork;
}

const MIB = 2 ** 20;

function scenarios(bytes: number): Scenario[] {
  const s3 = { kind: 'image', store: 's3', wireIntegrity: 'none' } as const;
  return [
    { title: 'in order', bytes, chunkBytes: DEFAULTS.chunkBytes, work: s3 },
    // The end is a whole number of 512-byte records and of nothing larger.
    { title: 'odd length, chunks of 8 MiB', bytes: bytes / 4 + 7 * 512, chunkBytes: 8 * MIB, work: s3 },
    {
      title: 'blocks out of order',
      bytes: bytes / 4,
      chunkBytes: DEFAULTS.chunkBytes,
      work: { ...s3, wireIntegrity: 'sha256', shuffled: true },
    },
  ];
}

/** The tree hash of the source, by Node's own SHA-256: neither the chain nor the addon has a hand in it. */
async function treeHash(bytes: number): Promise<string> {
  const source = await GeneratedSource.create('random');
  const tree = new TreeHash();
  let leaf = createHash('sha256');
  let filled = 0;
  for (const { data } of source.sequential(bytes)) {
    leaf.update(data);
    filled += data.length;
    if (filled % LEAF_BYTES !== 0 && filled < bytes) continue;
    tree.push(leaf.digest());
    leaf = createHash('sha256');
  }
  return `sha256-tree:${Buffer.from(tree.root()).toString('hex')}`;
}

/** What is wrong with the image that the sink got; undefined when nothing is. */
async function check({ bytes, chunkBytes, work }: Scenario): Promise<string | undefined> {
  const sink = await startSink(['--verify']);
  try {
    const fixed = { ...DEFAULTS, chunkBytes, data: 'random', directory: '', endpoint: sink.endpoint } as const;
    const { checksum } = await spawnJob({ ...fixed, bytes, work }).outcome;
    const { verified } = await sink.stats();
    if (verified === undefined) return 'the sink judged nothing';
    const { list, ...counts } = verified;
    const blocks = Math.ceil(bytes / BLOCK_BYTES);
    const whole = counts.objects === 1 && counts.good === 1 && counts.blocks === blocks && list[0]?.first === 0;
    if (!whole || list[0]?.size !== bytes) return `${blocks} blocks sent, received ${JSON.stringify(verified)}`;
    const expected = await treeHash(bytes);
    return checksum === expected ? undefined : `the manifest says ${checksum}, the source is ${expected}`;
  } finally {
    await sink.stop();
  }
}

/**
 * Prove that what arrives is complete and in order, block by block, and that the manifest's checksum is that of the
 * source. Throws otherwise.
 */
export async function verifyChain(bytes: number, say: (text: string) => void): Promise<string> {
  const lines = [];
  for (const scenario of scenarios(bytes)) {
    const fault = await check(scenario);
    if (fault !== undefined) throw new Error(`verify, ${scenario.title}: ${fault}`);
    const line = `${scenario.title}: ${Math.ceil(scenario.bytes / BLOCK_BYTES)} blocks, complete and in order`;
    say(`verify, ${line}`);
    lines.push(`- ${line}; checksum as computed independently.`);
  }
  return lines.join('\n');
}
