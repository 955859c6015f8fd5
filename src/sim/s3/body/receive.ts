import { createHash } from 'node:crypto';
import type { Call } from '../call.ts';
import type { ChecksumAlgorithm } from '../checksum/algorithms.ts';
import { type Checksum, checksumHeader, startChecksum } from '../checksum/algorithms.ts';
import { type ChecksumClaim, checksumClaim } from '../checksum/claim.ts';
import { s3Error } from '../s3-error.ts';
import { MAX_BODY_BYTES, MAX_XML_BYTES } from '../settings.ts';
import type { Segment } from '../state/records.ts';
import { parseXml, type XmlElement } from '../xml/xml-parser.ts';

/** A body that lies in a blob; the caller owns one reference to its segments. */
export interface Received {
  readonly segments: readonly Segment[];
  readonly size: number;
  /** MD5, hexadecimal: the ETag. */
  readonly md5: string;
  /** Set in mode `full` when the client sent one, or `alsoCompute` asked for it. */
  readonly checksum: Checksum | undefined;
}

/**
 * Stream the body of a request into a blob and check everything that came with it: payload hash,
 * Content-MD5, additional checksum. On an error nothing remains.
 */
export async function receiveBlob(call: Call, alsoCompute?: ChecksumAlgorithm): Promise<Received> {
  const plan = planDigests(call, MAX_BODY_BYTES, alsoCompute);
  const writer = plan.size > 0 ? await call.state.blobs.create() : undefined;
  try {
    const digests = await digestBody(call, plan, async (piece) => writer?.write(piece));
    return { ...digests, size: plan.size, segments: (await writer?.finish()) ?? [] };
  } catch (error) {
    await writer?.discard();
    throw error;
  }
}

/** Read and check a small XML body. An empty body gives undefined. */
export async function receiveXml(call: Call): Promise<XmlElement | undefined> {
  const plan = planDigests(call, MAX_XML_BYTES);
  const pieces: Uint8Array[] = [];
  await digestBody(call, plan, async (piece) => void pieces.push(piece));
  if (plan.size === 0) return undefined;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces));
  } catch {
    throw s3Error('MalformedXML');
  }
  return parseXml(text);
}

interface Plan {
  readonly size: number;
  /** Base64. */
  readonly md5: string | undefined;
  readonly claim: ChecksumClaim | undefined;
  readonly algorithm: ChecksumAlgorithm | undefined;
}

/** What has to be computed and compared; throws what the headers alone show to be wrong. */
function planDigests(call: Call, maxBytes: number, alsoCompute?: ChecksumAlgorithm): Plan {
  const size = call.body.length();
  if (size > maxBytes) throw s3Error(maxBytes === MAX_XML_BYTES ? 'MaxMessageLengthExceeded' : 'EntityTooLarge');
  const md5 = call.header('content-md5');
  if (md5 !== undefined && Buffer.from(md5, 'base64').length !== 16) throw s3Error('InvalidDigest');
  const claim = call.settings.checksumMode === 'full' ? checksumClaim(call.header) : undefined;
  return { size, md5, claim, algorithm: claim?.algorithm ?? alsoCompute };
}

async function digestBody(
  call: Call,
  plan: Plan,
  sink: (piece: Uint8Array) => Promise<void>,
): Promise<Pick<Received, 'md5' | 'checksum'>> {
  const { payload } = call.body;
  const md5 = createHash('md5');
  const sha256 = payload.kind === 'sha256' ? createHash('sha256') : undefined;
  const running = plan.algorithm === undefined ? undefined : await startChecksum(plan.algorithm);
  let size = 0;
  for await (const piece of call.body.pieces()) {
    size += piece.length;
    md5.update(piece);
    sha256?.update(piece);
    running?.update(piece);
    await sink(piece);
  }
  if (size !== plan.size) throw s3Error('IncompleteBody');
  if (payload.kind === 'sha256' && sha256?.digest('hex') !== payload.hex) throw s3Error('XAmzContentSHA256Mismatch');
  const digest = md5.digest();
  if (plan.md5 !== undefined && plan.md5 !== digest.toString('base64')) throw s3Error('BadDigest');
  return { md5: digest.toString('hex'), checksum: compareChecksum(call, plan, running?.digest().toString('base64')) };
}

function compareChecksum(call: Call, plan: Plan, value: string | undefined): Checksum | undefined {
  if (plan.algorithm === undefined || value === undefined) return undefined;
  if (plan.claim !== undefined) {
    const claimed = plan.claim.value ?? call.body.trailers.get(checksumHeader(plan.algorithm));
    if (claimed !== value) {
      throw s3Error('BadDigest', `The ${plan.algorithm} you specified did not match the calculated checksum.`);
    }
  }
  return { algorithm: plan.algorithm, type: 'FULL_OBJECT', value };
}
