import { bridge } from '../bridge/bridge.ts';
import { discard } from '../pipeline/lease.ts';
import type { Place } from '../pipeline/place.ts';
import { SlabWindow, windowBytes } from '../pipeline/slab-window.ts';
import type { Bytes, Json, StageReport } from '../stage-api/index.ts';
import type { ObserveCall, StageAnswer, StageCall, StoredResult, TransformCall } from './protocol.ts';
import type { StageHost } from './stage-host.ts';

/**
 * Make a call in this thread, with the chunk's bytes shown through a window: they are not copied unless the stage changes them, and
 * it cannot change the chunk itself. The result is left in the chunk where it is a part of it, else copied once, here.
 *
 * @param gone fires when nobody waits any more although the stage still works: its memory is taken from it.
 */
export async function performCall(
  host: StageHost,
  call: StageCall,
  signal: AbortSignal,
  gone?: AbortSignal,
): Promise<StageAnswer> {
  if (!('input' in call || 'seen' in call)) {
    const answer = await host.call(call, signal);
    return 'error' in answer ? answer : { value: answer.value ?? null, reports: answer.reports };
  }
  const window = SlabWindow.take(call.session.id);
  const onGone = (): void => window.clear();
  gone?.addEventListener('abort', onGone, { once: true });
  try {
    const answer =
      call.call === 'observe'
        ? await observe(host, call, window, signal)
        : await transform(host, call, window, signal, gone);
    return 'error' in answer ? answer : { ...answer, windowBytes: windowBytes() };
  } finally {
    gone?.removeEventListener('abort', onGone);
    window.give();
  }
}

async function observe(
  host: StageHost,
  { session, seen, sample, watch }: ObserveCall,
  window: SlabWindow,
  signal: AbortSignal,
): Promise<StageAnswer> {
  const values: Json[] = [];
  const reports: StageReport[] = [];
  let changed = false;
  for (const [nth, { chunk, input, leaves }] of seen.entries()) {
    const data = sampleOf(window.show(input, false), sample);
    const answer = await host.call({ call: 'observe', session, chunk, data, leaves }, signal);
    if ('error' in answer) return { ...answer, nth };
    values.push(answer.value ?? null);
    reports.push(...answer.reports);
    changed ||= watch && window.changed;
  }
  return { value: values, reports, changed };
}

async function transform(
  host: StageHost,
  { input, output, copy, ...call }: TransformCall,
  window: SlabWindow,
  signal: AbortSignal,
  gone: AbortSignal | undefined,
): Promise<StageAnswer> {
  const inPlace = output && (copy || input.length > 1) ? output : undefined;
  const data = inPlace ? window.show(gather(input, inPlace), true) : window.show(input[0] as Place, false);
  const answer = await host.call({ ...call, data }, signal);
  if ('error' in answer) return answer;
  const { data: result = new Uint8Array(0), reports } = answer;
  const bytes = result.byteLength;
  const offset = result.byteOffset - data.byteOffset;
  const within = result.buffer === data.buffer && offset >= 0 && offset + bytes <= data.byteLength;
  const changed = inPlace === undefined && within && window.changed;
  if (within && inPlace === undefined && !changed)
    return { stored: { from: 'input', offset, bytes, written: 0 }, reports };
  // It will be called again, with an output; its reports are told then.
  if (output === undefined || gone?.aborted)
    return { stored: { from: 'nowhere', offset: 0, bytes, written: 0 }, changed, reports: [] };
  if (within && inPlace) {
    const { address, offset: start } = inPlace;
    if (offset > 0) bridge.copySlab(address, start + offset, address, start, bytes);
    return { stored: { from: 'output', offset: 0, bytes, written: data.byteLength }, reports };
  }
  // What reaches beyond what it was given may share its memory with the output.
  const own = within || result.buffer !== data.buffer ? result : result.slice();
  const stored = store(own, output, inPlace ? data.byteLength : 0);
  if (!within) free(own);
  return { stored, changed, reports };
}

/** The input, one piece after the other, at the beginning of the output. */
function gather(input: readonly Place[], output: Place): Place {
  let bytes = 0;
  for (const piece of input) {
    const to = output.offset + bytes;
    if (piece.address !== output.address || piece.offset !== to)
      bridge.copySlab(piece.address, piece.offset, output.address, to, piece.bytes);
    bytes += piece.bytes;
  }
  return { ...output, bytes };
}

/** @param written how far the output was written to before. */
function store(result: Uint8Array, output: Place, written: number): StoredResult {
  const bytes = result.byteLength;
  if (bytes > output.bytes) return { from: 'nowhere', offset: 0, bytes, written };
  bridge.fillSlab(output.address, output.offset, result);
  return { from: 'output', offset: 0, bytes, written: Math.max(written, bytes) };
}

/** At once: the collector does not know how much there is of it elsewhere. */
function free(result: Uint8Array): void {
  try {
    discard(result);
  } catch {
    // Memory of WebAssembly cannot be freed.
  }
}

/** Some pieces of a chunk, spread evenly from its first byte to its last one; all of it when it has no more than that. */
function sampleOf(whole: Bytes, sample: ObserveCall['sample']): Bytes {
  const size = whole.byteLength;
  if (sample === undefined || size <= sample.pieces * sample.bytes) return whole;
  const joined = new Uint8Array(sample.pieces * sample.bytes);
  const stride = (size - sample.bytes) / Math.max(1, sample.pieces - 1);
  for (let nth = 0; nth < sample.pieces; nth += 1) {
    const from = Math.floor(nth * stride);
    joined.set(whole.subarray(from, from + sample.bytes), nth * sample.bytes);
  }
  return joined;
}
