import { EngineError } from '../errors.ts';

/** `SEED,KIND=RATE,…`, parsed. */
export interface Rates<Kind extends string> {
  readonly seed: number;
  readonly rates: ReadonlyMap<Kind, number>;
}

/**
 * Read `SEED` or `SEED,KIND=RATE,…`: kinds that are not named do not happen, with none named they happen as `standard` says.
 *
 * @throws EngineError VOST_BAD_CHAOS (`usage`)
 */
export function parseRates<Kind extends string>(
  text: string,
  kinds: readonly Kind[],
  standard: Readonly<Partial<Record<Kind, number>>>,
): Rates<Kind> {
  const [seed = '', ...pairs] = text.split(',').map((part) => part.trim());
  if (!/^[0-9]{1,9}$/.test(seed)) throw bad(`it begins with a seed, a whole number; this one with '${seed}'`, kinds);
  const rates = new Map<Kind, number>();
  for (const pair of pairs) {
    const [name = '', value = '', ...more] = pair.split('=');
    const kind = kinds.find((one) => one === name);
    const rate = /^(0|1|0?\.[0-9]{1,9}|1\.0{1,9})$/.test(value) ? Number(value) : undefined;
    if (kind === undefined || rate === undefined || more.length > 0 || rates.has(kind))
      throw bad(`'${pair}' is not KIND=RATE with a rate from 0 to 1, once for each kind`, kinds);
    rates.set(kind, rate);
  }
  if (pairs.length === 0) for (const kind of kinds) rates.set(kind, standard[kind] ?? 0);
  return { seed: Number(seed), rates };
}

function bad(why: string, kinds: readonly string[]): EngineError {
  return new EngineError('VOST_BAD_CHAOS', 'usage', `chaos is SEED or SEED,KIND=RATE,…: ${why}`, {
    advice: `kinds are ${kinds.join(', ')}`,
  });
}
