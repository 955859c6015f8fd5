import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { StageError } from 'vast-ost/stage';

const KEY_BYTES = 32;
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const MAX_LINES = 1000;
/** A command that takes longer, or says more, is not one that prints a key. */
const COMMAND_MS = 20_000;
const COMMAND_BYTES = 4096;
/** Keys of commands are asked for again after this. */
const KEPT_MS = 60_000;
const MAX_KEPT = 64;

/**
 * @typedef {object} KeyRing
 * @property {string | undefined} current id of the key for new images
 * @property {(id: string) => Promise<Uint8Array>} key a key by its id
 */

/** @type {Map<string, { readonly key: Promise<Uint8Array>, readonly until: number }>} */
const kept = new Map();

/** @param {string} message */
const refusal = (message) => new StageError('credentials', message);

/**
 * Read a key ring: lines (or parts between semicolons) `current = ID`, `ID = hex:…`, `ID = base64:…`, `ID = command:/PROGRAM …`, and `* = command:/PROGRAM …`
 * for all other keys. No message repeats anything of it but ids and the numbers of lines.
 *
 * @param {Uint8Array} bytes
 * @param {number} [commandMs] what a command may take
 * @returns {KeyRing}
 */
export function readRing(bytes, commandMs = COMMAND_MS) {
  const lines = new TextDecoder().decode(bytes).split(/[\n;]/);
  if (lines.length > MAX_LINES) throw refusal(`the key ring has more than ${MAX_LINES} lines`);
  /** @type {Map<string, string>} */
  const sources = new Map();
  /** @type {string | undefined} */
  let current;
  for (const [at, line] of lines.entries()) {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) continue;
    const [, name = '', value = ''] = /^(\S+)\s*=\s*(\S.*)$/.exec(text) ?? [];
    const where = `line ${at + 1} of the key ring`;
    if (name === 'current') {
      if (!ID.test(value)) throw refusal(`${where} has no id of a key`);
      current = value;
      continue;
    }
    if (name !== '*' && !ID.test(name)) throw refusal(`${where} is not ID = SOURCE`);
    if (!/^(command:\/|hex:|base64:)/.test(value) || (name === '*' && !value.startsWith('command:')))
      throw refusal(`${where} names no source: hex:, base64:, or command:/PROGRAM`);
    if (sources.has(name)) throw refusal(`${where} has the key ${name} for a second time`);
    sources.set(name, value);
  }
  return {
    current,
    key: async (id) => {
      const source = sources.get(id) ?? sources.get('*');
      if (source === undefined || !ID.test(id)) throw refusal(`the key ${JSON.stringify(id)} is not in the key ring`);
      if (source.startsWith('command:')) return keyOfCommand(source.slice(8), id, commandMs);
      return parseKey(source, id);
    },
  };
}

/**
 * 32 bytes, as `hex:…` or `base64:…`.
 *
 * @param {string} text
 * @param {string} id
 */
function parseKey(text, id) {
  const [, coding, digits = ''] = /^(hex|base64):([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
  const key = Buffer.from(digits, coding === 'hex' ? 'hex' : 'base64');
  const whole = coding === 'hex' ? digits.length === 2 * KEY_BYTES : true;
  if (coding === undefined || !whole || key.byteLength !== KEY_BYTES)
    throw refusal(`the key ${id} is not ${KEY_BYTES} bytes in hexadecimal or base64`);
  return key;
}

/**
 * @param {string} command
 * @param {string} id
 * @param {number} timeout
 * @returns {Promise<Uint8Array>}
 */
function keyOfCommand(command, id, timeout) {
  const name = createHash('sha256').update(`${id} ${command}`).digest('hex');
  const now = Date.now();
  const known = kept.get(name);
  if (known !== undefined && known.until > now) return known.key;
  const key = runCommand(command, id, timeout);
  kept.delete(name);
  kept.set(name, { key, until: now + KEPT_MS });
  key.catch(() => kept.delete(name));
  const [oldest] = kept.keys();
  if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
  return key;
}

/**
 * Run the program with the id as its last argument. It prints the key, in hexadecimal or base64. Nothing of what it says is repeated.
 *
 * @param {string} command
 * @param {string} id
 * @param {number} timeout
 * @returns {Promise<Uint8Array>}
 */
function runCommand(command, id, timeout) {
  const [program = '', ...args] = command.trim().split(/\s+/);
  const options = { timeout, maxBuffer: COMMAND_BYTES, killSignal: 'SIGKILL', cwd: '/' };
  return new Promise((resolve, reject) => {
    const child = execFile(
      program,
      [...args, id],
      /** @type {import('node:child_process').ExecFileOptionsWithStringEncoding} */ (options),
      (error, stdout) => {
        if (error !== null) {
          const { code, killed } = /** @type {{ code?: unknown, killed?: boolean }} */ (error);
          const slow = `was ended: it took more than ${timeout / 1000} seconds`;
          const why = killed === true ? slow : `failed (${code})`;
          reject(refusal(`the command ${program} for the key ${id} ${why}`));
          return;
        }
        const text = stdout.trim();
        try {
          resolve(parseKey(`${/^[0-9A-Fa-f]{64}$/.test(text) ? 'hex' : 'base64'}:${text}`, id));
        } catch (invalid) {
          reject(invalid);
        }
      },
    );
    // Programs that read it must not wait for ever.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end();
  });
}
