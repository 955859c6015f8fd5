import { checkIdentity, type ImageIdentity } from '../image/identity.ts';
import { invalid } from './errors.ts';
import type { WireImageId } from './wire/groups.ts';

const MAX_NAME = 255;
const MAX_SHORT = 127;
const MAX_NUMBER = 0xffff_ffff;

/**
 * An image's identity as the format has it. The four further fields become qualifiers, and none at all when
 * they are empty, so that images made by the command line have the identity that a host would give.
 * @throws EngineError class `usage` for text that is not UTF-8 or holds control characters, and for an empty basename
 */
export function identityOfWire(id: WireImageId): ImageIdentity {
  const { basename, date, fullname, number1, number2, text1, text2 } = id;
  if (![basename, date, fullname, text1, text2].every((text) => text.isWellFormed())) {
    throw invalid('an image name must be UTF-8');
  }
  const plain = number1 === 0 && number2 === 0 && text1 === '' && text2 === '';
  return checkIdentity({
    basename,
    date,
    full_name: fullname,
    qualifiers: plain ? [] : [String(number1), String(number2), text1, text2],
  });
}

/** The reverse; undefined for an identity that no host can have given, which no host can name. */
export function wireOfIdentity(identity: ImageIdentity): WireImageId | undefined {
  const { basename, date, full_name: fullname, qualifiers } = identity;
  const [first = '0', second = '0', text1 = '', text2 = '', ...more] = qualifiers;
  const [number1, number2] = [numberOf(first), numberOf(second)];
  if (more.length > 0 || number1 === undefined || number2 === undefined) return undefined;
  if (![basename, fullname].every((text) => fits(text, MAX_NAME))) return undefined;
  if (![date, text1, text2].every((text) => fits(text, MAX_SHORT))) return undefined;
  const wire = { basename, date, fullname, number1, number2, text1, text2 };
  return identityOfWire(wire).qualifiers.length === qualifiers.length ? wire : undefined;
}

function numberOf(text: string): number | undefined {
  const number = Number(text);
  return /^(0|[1-9][0-9]{0,9})$/.test(text) && number <= MAX_NUMBER ? number : undefined;
}

const fits = (text: string, bytes: number): boolean => Buffer.byteLength(text) <= bytes;

/** The client in NetBackup's names of data images, `CLIENT_TIME_C1_F1`; '' for other names. */
export function clientOf(basename: string): string {
  return /^(.+)_[0-9]{9,11}_C[0-9]+_[A-Z0-9]+$/.exec(basename)?.[1] ?? '';
}
