import { EngineError, type FailureClass } from '../errors.ts';
import { WorkerLost } from '../pipeline/worker-pool.ts';
import type { ChunkInfo } from '../stage-api/index.ts';
import type { StageCall, StageFault } from './protocol.ts';

/** What was going on, for messages. */
export interface Blame {
  readonly name: string;
  readonly call: StageCall['call'];
  readonly chunks?: readonly Pick<ChunkInfo, 'index' | 'offset'>[] | undefined;
}

type Fault = StageFault['error'];

const FAULTS: Readonly<Record<Fault['kind'], readonly [code: string, failure: FailureClass]>> = {
  load: ['VOST_STAGE_LOAD', 'usage'],
  options: ['VOST_STAGE_OPTIONS', 'usage'],
  corrupt: ['VOST_STAGE_DECODE', 'integrity'],
  credentials: ['VOST_STAGE_SECRET', 'credentials'],
  failed: ['VOST_STAGE_FAILED', 'internal'],
};
const LOSSES = { crashed: 'VOST_STAGE_CRASHED', memory: 'VOST_STAGE_MEMORY', timeout: 'VOST_STAGE_TIMEOUT' } as const;

/** The error that the stage reported. */
export function faultOf(blame: Blame, { kind, message }: Fault): EngineError {
  const [code, failure] = FAULTS[kind];
  const said = kind === 'load' ? `cannot be loaded: ${message}` : message;
  return stageFailure(code, failure, blame, said, failure === 'internal' ? {} : { advice: undefined });
}

/** The stage's thread was lost. */
export function lossOf(blame: Blame, error: unknown): unknown {
  return error instanceof WorkerLost
    ? stageFailure(LOSSES[error.reason], 'internal', blame, error.message, { cause: error })
    : error;
}

/** It returned too much or too little. */
export function wrongLength(blame: Blame, bytes: number, wanted: string): EngineError {
  const failure = blame.call === 'decode' ? 'integrity' : 'internal';
  return stageFailure('VOST_STAGE_LENGTH', failure, blame, `it returned ${bytes} bytes where ${wanted} were due`);
}

export function stageFailure(
  code: string,
  failure: FailureClass,
  { name, call, chunks = [] }: Blame,
  said: string,
  more: { readonly cause?: unknown; readonly advice?: string | undefined } = {},
): EngineError {
  const [chunk, ...others] = chunks;
  const which = others.length > 0 ? 'one of chunks' : 'chunk';
  const where = chunk === undefined ? call : `${call} of ${which} ${chunks.map(({ index }) => index).join(', ')}`;
  const advice = 'advice' in more ? more.advice : `ask the maker of ${name}; other images are not concerned`;
  return new EngineError(code, failure, `stage ${name}, ${where}: ${said}`, {
    cause: more.cause,
    ...(advice === undefined ? {} : { advice }),
    details: { stage: name, ...(chunk ? { chunk: chunk.index, offset: chunk.offset } : {}) },
  });
}
