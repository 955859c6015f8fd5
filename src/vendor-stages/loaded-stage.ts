import { EngineError } from '../errors.ts';
import type { ImageInfo, Json, JsonObject, StageReport } from '../stage-api/index.ts';
import type { StageDescription } from './description.ts';
import type { StageAnswer, StageCall, StageSession } from './protocol.ts';
import { type Blame, faultOf, lossOf } from './stage-failure.ts';
import { memoryOf, type StageRunner } from './stage-runner.ts';
import { readSecrets, type SecretReferences } from './stage-secrets.ts';

/** Hears what stages tell people. */
export type OnReport = (stage: string, image: ImageInfo, report: StageReport) => void;

/** A stage's configuration, checked: what is recorded, and where its secrets are. */
export interface StageConfiguration {
  readonly options: JsonObject;
  readonly secrets: SecretReferences;
}

/** What is known of an image beside its name: what the stage noted with it, and its bytes when it is complete. */
export interface Noted {
  readonly recorded?: JsonObject;
  readonly sealed?: JsonObject;
  readonly size?: number | undefined;
}

/** What an answer was without its errors. */
export type Result = Extract<StageAnswer, { reports: unknown }>;

export interface CallOptions {
  /** Bytes that go in and may come out. */
  readonly bytes?: number;
  readonly signal?: AbortSignal | undefined;
  /** What it is about; a call may take its time for each of them. */
  readonly chunks?: Blame['chunks'];
}

/** What a stage has told people so far. */
export interface Reported {
  readonly stage: string;
  /** How often, by severity. */
  readonly counts: Readonly<Record<StageReport['severity'], number>>;
  /** Its numbers, by name: what it said last, of whatever image. */
  readonly values: ReadonlyMap<string, number>;
}

/** Names of numbers that are kept of a stage; it may make them up without end. */
const MAX_NAMES = 64;

let sessions = 0;

/** A vendor's stage, ready to be called: its description and where it runs. */
export class LoadedStage<Description extends StageDescription = StageDescription> {
  readonly description: Description;
  /** Its functions that were seen to return other bytes than they are given: they get memory for them from then on. */
  readonly making = new Set<StageCall['call']>();
  /** Those that were seen to change the bytes that they are given: they work on a copy from then on. */
  readonly changing = new Set<StageCall['call']>();
  readonly #runner: StageRunner;
  readonly #onReport: OnReport;
  readonly #counts = { info: 0, warning: 0, error: 0 };
  readonly #values = new Map<string, number>();

  constructor(description: Description, runner: StageRunner, onReport: OnReport) {
    this.description = description;
    this.#runner = runner;
    this.#onReport = onReport;
  }

  get name(): string {
    return this.description.name;
  }

  has(name: string): boolean {
    return this.description.functions.includes(name);
  }

  /** Check options by the stage's own schema. @throws EngineError VOST_STAGE_OPTIONS, of the class given */
  async checkOptions(options: JsonObject, failure: 'usage' | 'unsupported', signal?: AbortSignal): Promise<JsonObject> {
    try {
      const { value } = await this.call(() => ({ call: 'options', options }), undefined, { signal });
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
      throw new EngineError('VOST_STAGE_OPTIONS', 'usage', `stage ${this.name}: its schema gives no object`);
    } catch (error) {
      if (!(error instanceof EngineError) || error.code !== 'VOST_STAGE_OPTIONS') throw error;
      throw new EngineError(error.code, failure, error.message, { cause: error });
    }
  }

  /** Begin to work on an image: secrets are read now. */
  async session(
    { options, secrets }: StageConfiguration,
    { recorded = {}, sealed = {}, size }: Noted,
    image: ImageInfo,
    writtenBy: string,
  ): Promise<StageSession> {
    sessions += 1;
    const { name, secrets: wanted } = this.description;
    return {
      id: String(sessions),
      options,
      recorded,
      sealed,
      size,
      secrets: await readSecrets(name, wanted, secrets),
      image,
      writtenBy,
    };
  }

  /** Call the stage. Every failure is an error of it with its name, or the signal's. */
  async call(create: () => StageCall, session: StageSession | undefined, options: CallOptions): Promise<Result> {
    const { timeoutSeconds, memoryMb } = this.description;
    let call: StageCall['call'] = 'describe';
    const work = {
      create: () => {
        const made = create();
        ({ call } = made);
        return made;
      },
      timeoutMs: timeoutSeconds * 1000 * (options.chunks?.length ?? 1),
      memoryBytes: memoryOf(memoryMb, options.bytes ?? 0),
      signal: options.signal,
    };
    const blame = (nth?: number): Blame => {
      const chunk = nth === undefined ? undefined : options.chunks?.[nth];
      return { name: this.name, call, chunks: chunk ? [chunk] : options.chunks };
    };
    const answer = await this.#runner.run(work).catch((error: unknown) => {
      throw lossOf(blame(), error);
    });
    if ('error' in answer) throw faultOf(blame(answer.nth), answer.error);
    if (session) for (const report of answer.reports) this.report(session.image, report);
    return answer;
  }

  /** What it has told people so far. */
  get reported(): Reported {
    return { stage: this.name, counts: this.#counts, values: this.#values };
  }

  /** Take note of what it tells people. */
  report(image: ImageInfo, report: StageReport): void {
    this.#counts[report.severity] += 1;
    for (const [name, value] of Object.entries(report.values ?? {}))
      if (this.#values.has(name) || this.#values.size < MAX_NAMES) this.#values.set(name, value);
    this.#onReport(this.name, image, report);
  }

  /** Threads that it cost so far: they crashed, hung, or took too much memory. */
  get lostThreads(): number {
    return this.#runner.lost();
  }

  close(): Promise<void> {
    return this.#runner.close();
  }
}

/** A JSON value that should be an object, else none. */
export function objectOf(value: Json | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}
