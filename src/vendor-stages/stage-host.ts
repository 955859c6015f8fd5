import {
  type ChunkInfo,
  type Json,
  type JsonObject,
  type ObserverStage,
  type RouterStage,
  type StageContext,
  StageError,
  type StageReport,
  type StandardSchema,
  type TransformStage,
} from '../stage-api/index.ts';
import { type HostAnswer, type HostCall, MAX_VALUE_BYTES, type StageSession } from './protocol.ts';
import { withoutSecrets } from './without-secrets.ts';

type Transform = Omit<TransformStage<unknown, unknown>, 'kind'>;
/** Which functions there are is known from its description to whoever calls. */
type Definition = Transform & Omit<ObserverStage<unknown>, 'kind'> & Omit<RouterStage<unknown>, 'kind'>;

/** Sessions whose states a thread keeps. */
const MAX_STATES = 64;
const MAX_REPORTS = 16;
const MAX_MESSAGE = 1000;
const MAX_VALUES = 32;
const VALUE = /^[a-z][a-z0-9_]{0,63}$/;

/** What is told about a stage; whoever asked checks it. */
const FACTS = [
  'kind',
  'name',
  'version',
  'apiVersion',
  'secrets',
  'placement',
  'concurrency',
  'timeoutSeconds',
  'memoryMb',
  'deterministic',
  'maxExpansion',
  'reads',
  'sample',
] as const;
const FUNCTIONS = ['record', 'open', 'encode', 'decode', 'seal', 'close', 'observe', 'finish', 'route'] as const;

/** A vendor's stage in the thread that its code runs in: calls in, answers out. It never throws. */
export class StageHost {
  readonly #load: () => Promise<unknown>;
  #definition: Promise<Definition> | undefined;
  /** What `open` made, by session; the one used longest ago goes first. */
  readonly #states = new Map<string, Promise<unknown>>();

  /** @param load imports the stage's module; called with the first call. */
  constructor(load: () => Promise<unknown>) {
    this.#load = load;
  }

  /** What `encode` and `decode` return may be any memory, that of the call as well. */
  async call(call: HostCall, signal: AbortSignal): Promise<HostAnswer> {
    let definition: Definition;
    try {
      this.#definition ??= this.#load().then(definitionOf);
      definition = await this.#definition;
    } catch (error) {
      return { error: { kind: 'load', message: messageOf(error, {}) } };
    }
    const reports: StageReport[] = [];
    try {
      const result = await this.#perform(definition, call, signal, reports);
      if (call.call !== 'encode' && call.call !== 'decode') return { value: jsonOf(result), reports };
      if (!(result instanceof Uint8Array)) throw new StageError('failed', 'it returned no Uint8Array');
      return { data: result, reports };
    } catch (error) {
      const kind = error instanceof StageError ? error.kind : call.call === 'decode' ? 'corrupt' : ('failed' as const);
      if (error instanceof BadOptions) return { error: { kind: 'options', message: error.message } };
      return { error: { kind, message: messageOf(error, 'session' in call ? call.session.secrets : {}) } };
    }
  }

  async #perform(
    definition: Definition,
    call: HostCall,
    signal: AbortSignal,
    reports: StageReport[],
  ): Promise<unknown> {
    if (call.call === 'describe') return describe(definition);
    if (call.call === 'options') return checkOptions(definition.optionsSchema, call.options);
    const context = contextOf(call.session, signal, reports);
    switch (call.call) {
      case 'record':
        return definition.record?.(context);
      case 'open':
        await this.#state(definition, call.session, context);
        return null;
      case 'seal':
        return definition.seal?.(call.totals, context, await this.#state(definition, call.session, context));
      case 'route':
        return (await definition.route(call.session.image, context)) ?? null;
      case 'observe':
        return (await definition.observe(call.data, call.chunk, context, call.leaves)) ?? null;
      case 'finish':
        return definition.finish?.(call.found, call.complete, context);
      case 'encode':
      case 'decode':
        return this.#transform(definition, call, call.chunk, context);
    }
  }

  async #transform(
    stage: Transform,
    { call, data, session }: Extract<HostCall, { call: 'encode' | 'decode' }>,
    chunk: ChunkInfo,
    context: StageContext,
  ): Promise<unknown> {
    const state = await this.#state(stage, session, context);
    return call === 'encode' ? stage.encode(data, chunk, context, state) : stage.decode(data, chunk, context, state);
  }

  #state(stage: Transform, { id }: StageSession, context: StageContext): Promise<unknown> {
    const known = this.#states.get(id);
    this.#states.delete(id);
    const state = known ?? (async () => stage.open?.(context))();
    this.#states.set(id, state);
    // The next call may have better luck, with a key that is there by then.
    state.catch(() => this.#states.delete(id));
    const [[oldest, dropped] = []] = this.#states.size > MAX_STATES ? this.#states : [];
    if (oldest !== undefined) this.#states.delete(oldest);
    dropped?.then((made) => stage.close?.(made)).catch(() => undefined);
    return state;
  }
}

class BadOptions extends Error {}

function definitionOf(module: unknown): Definition {
  const definition: unknown = (module as { readonly default?: unknown }).default;
  if (typeof definition !== 'object' || definition === null) throw new Error('its default export is no stage');
  return definition as Definition;
}

function describe(definition: Definition): JsonObject {
  const fields = definition as unknown as Readonly<Record<string, unknown>>;
  const facts = Object.fromEntries(FACTS.map((name) => [name, fields[name]]));
  const functions = FUNCTIONS.filter((name) => typeof fields[name] === 'function');
  return { ...(JSON.parse(JSON.stringify(facts)) as JsonObject), functions };
}

async function checkOptions(schema: StandardSchema | undefined, options: JsonObject): Promise<unknown> {
  if (schema === undefined) {
    const [unknown] = Object.keys(options);
    if (unknown !== undefined) throw new BadOptions(`it has no option ${unknown}`);
    return {};
  }
  const result = await schema['~standard'].validate(options);
  if (result.issues === undefined) return result.value;
  const problems = result.issues.slice(0, 8).map(({ message, path }) => {
    const where = path?.map((step) => String(typeof step === 'object' ? step.key : step)).join('.');
    return `${where || 'options'}: ${message}`;
  });
  throw new BadOptions(problems.join('; ').slice(0, MAX_MESSAGE));
}

function contextOf(session: StageSession, signal: AbortSignal, reports: StageReport[]): StageContext {
  const { options, recorded, sealed, size, secrets, image, writtenBy } = session;
  const report = ({ severity, text, values }: StageReport): void => {
    if (reports.length >= MAX_REPORTS) throw new Error(`more than ${MAX_REPORTS} reports of one call`);
    if (!['info', 'warning', 'error'].includes(severity)) throw new Error(`a report of severity ${severity}`);
    const numbers = Object.entries(values ?? {});
    if (numbers.length > MAX_VALUES || !numbers.every(([name, value]) => VALUE.test(name) && Number.isFinite(value)))
      throw new Error(`the values of a report must be numbers with names such as bytes_seen, at most ${MAX_VALUES}`);
    const clean = withoutSecrets(String(text).slice(0, MAX_MESSAGE), secrets);
    reports.push({ severity, text: clean, ...(values ? { values: Object.fromEntries(numbers) } : {}) });
  };
  return { options, recorded, sealed, size, secrets, image, writtenBy, signal, report };
}

function jsonOf(value: unknown): Json {
  const text = JSON.stringify(value ?? null);
  if (text === undefined || text.length > MAX_VALUE_BYTES)
    throw new StageError('failed', `what it returned is no JSON of at most ${MAX_VALUE_BYTES} bytes`);
  return JSON.parse(text) as Json;
}

function messageOf(error: unknown, secrets: Readonly<Record<string, Uint8Array>>): string {
  const message = error instanceof Error ? error.message : String(error);
  return withoutSecrets(message.slice(0, MAX_MESSAGE), secrets);
}
