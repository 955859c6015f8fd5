import { readSecretBytes } from '../config/secret-file.ts';
import { EngineError } from '../errors.ts';

/** Where secrets are, by option: `file:PATH` or `env:NAME`. */
export type SecretReferences = Readonly<Record<string, string>>;

const REFERENCE = /^(file:\/.+|env:[A-Za-z_][A-Za-z0-9_]*)$/;

/**
 * Take the secrets out of a stage's options.
 *
 * @throws EngineError VOST_STAGE_SECRET (`usage`) when one is no reference, or a needed one is missing; the message never repeats it.
 */
export function splitSecrets<Value>(
  stage: string,
  wanted: Readonly<Record<string, 'required' | 'optional'>>,
  options: Readonly<Record<string, Value>>,
): { readonly options: Record<string, Value>; readonly secrets: SecretReferences } {
  const rest: Record<string, Value> = {};
  const secrets: Record<string, string> = {};
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(wanted, name)) rest[name] = value;
    else if (typeof value === 'string' && REFERENCE.test(value)) secrets[name] = value;
    else throw badSecret('usage', stage, name, 'must not stand in the configuration itself');
  }
  return { options: rest, secrets };
}

/**
 * Read them, at the time of use: files may be replaced while the engine runs.
 *
 * @throws EngineError VOST_STAGE_SECRET (`credentials`), VOST_CREDENTIALS (`credentials`)
 */
export async function readSecrets(
  stage: string,
  wanted: Readonly<Record<string, 'required' | 'optional'>>,
  references: SecretReferences,
): Promise<Record<string, Uint8Array>> {
  const secrets: Record<string, Uint8Array> = {};
  for (const [name, need] of Object.entries(wanted)) {
    const reference = references[name];
    if (reference !== undefined) secrets[name] = await readOne(stage, name, reference);
    else if (need === 'required') throw badSecret('credentials', stage, name, 'is missing');
  }
  return secrets;
}

async function readOne(stage: string, name: string, reference: string): Promise<Uint8Array> {
  if (reference.startsWith('file:')) return new Uint8Array(await readSecretBytes(reference.slice(5)));
  const value = process.env[reference.slice(4)];
  if (value === undefined) throw badSecret('credentials', stage, name, `is not in the environment (${reference})`);
  return new Uint8Array(Buffer.from(value));
}

function badSecret(failure: 'usage' | 'credentials', stage: string, name: string, what: string): EngineError {
  return new EngineError('VOST_STAGE_SECRET', failure, `stage ${stage}: the secret ${name} ${what}`, {
    advice: `name where it is: ${name}=file:/PATH or ${name}=env:NAME`,
  });
}
