import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { getEventListeners, once } from 'node:events';
import { createWriteStream, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { openSource } from '../../src/cli/source.ts';
import { EngineError } from '../../src/errors.ts';
import { noise } from '../support/chunks.ts';
import { turns } from '../support/turns.ts';

const MIB = 1024 * 1024;
const dir = t.testdir({
  empty: '',
  folder: {},
  // Reads all of standard input through a source and says what it was.
  'stdin.mjs': `
    import { createHash } from 'node:crypto';
    const { openSource } = await import(${JSON.stringify(new URL('../../src/cli/source.ts', import.meta.url).href)});
    try {
      const source = await openSource('-');
      const hash = createHash('sha256');
      let bytes = 0;
      for await (const block of source.blocks(new AbortController().signal)) { hash.update(block); bytes += block.byteLength; }
      await source.close();
      console.log([source.name, source.size, bytes, hash.digest('hex')].join(' '));
    } catch (error) {
      console.log([error.code, error.message].join(' '));
    }`,
});
const script = `${dir}/stdin.mjs`;
const said = (data: Uint8Array): string =>
  `standard input  ${data.byteLength} ${createHash('sha256').update(data).digest('hex')}\n`;

t.test('files of edge sizes, block by block', async (t) => {
  for (const size of [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 5]) {
    const data = noise(size);
    const path = `${dir}/data`;
    writeFileSync(path, data);
    const source = await openSource(path);
    t.strictSame([source.name, source.size], [path, size]);
    const blocks: Buffer[] = [];
    for await (const block of source.blocks(new AbortController().signal)) {
      blocks.push(Buffer.from(block));
      await turns(2);
      t.ok(blocks.at(-1)?.equals(block), 'a block stays as it is until the next one is asked for');
    }
    t.ok(Buffer.concat(blocks).equals(data), `${size} bytes`);
    await source.close();
  }
});

t.test('what cannot be read', async (t) => {
  const wrong = { code: 'VOST_NO_INPUT', failure: 'usage' };
  await t.rejects(openSource(`${dir}/missing`), { ...wrong, message: /missing.*ENOENT/ });
  await t.rejects(openSource(`${dir}/folder`), {
    ...wrong,
    message: /folder is a directory/,
    advice: /tar -cf - .*folder \|/,
  });
});

t.test('a terminal as standard input', async (t) => {
  const inTerminal = 'import pty, sys; pty.spawn(sys.argv[1:])';
  const said = execFileSync('python3', ['-c', inTerminal, process.execPath, script], { encoding: 'utf8', input: '' });
  t.match(said, /VOST_NO_INPUT standard input is a terminal/);
});

t.test('standard input: a socket, as a parent in Node gives it', async (t) => {
  const data = noise(2 * MIB + 3);
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(data);
  t.equal(await text(child.stdout), said(data));
});

t.test('standard input: a pipe of the shell, a file, a file partly read, nothing, a directory', async (t) => {
  const data = noise(MIB + 4096);
  writeFileSync(`${dir}/data`, data);
  const sh = (command: string): string =>
    execFileSync('sh', ['-c', command], {
      encoding: 'utf8',
      cwd: dir,
      env: { ...process.env, NODE: process.execPath },
    });
  t.equal(sh('cat data | "$NODE" stdin.mjs'), said(data));
  t.equal(sh('"$NODE" stdin.mjs < data'), said(data));
  t.equal(
    sh('(dd bs=4096 count=1 of=/dev/null 2>/dev/null; "$NODE" stdin.mjs) < data'),
    said(data.subarray(4096)),
    'goes on where the one before stopped',
  );
  t.equal(sh('"$NODE" stdin.mjs < /dev/null'), said(Buffer.alloc(0)));
  t.match(sh('"$NODE" stdin.mjs < folder'), /^VOST_NO_INPUT standard input is a directory/);
});

t.test('a named pipe; abort while it is idle does not wait for it', async (t) => {
  const path = `${dir}/fifo`;
  execFileSync('mkfifo', [path]);
  const writer = createWriteStream(path);
  const source = await openSource(path);
  t.equal(source.size, undefined);
  const controller = new AbortController();
  const blocks = source.blocks(controller.signal);
  writer.write('first');
  const first = await blocks.next();
  t.equal(Buffer.from(first.value ?? []).toString(), 'first');
  const next = blocks.next();
  const reason = new EngineError('VOST_INTERRUPTED', 'aborted', 'enough');
  controller.abort(reason);
  await t.rejects(next, reason);
  await source.close();
  // The read that was left behind ends with the writer.
  writer.end();
  await once(writer, 'close');
});

t.test('a signal that fires before, between and after blocks; no listener stays', async (t) => {
  writeFileSync(`${dir}/data`, noise(3 * MIB));
  const reason = new EngineError('VOST_INTERRUPTED', 'aborted', 'enough');
  for (const after of [0, 1, 9]) {
    const controller = new AbortController();
    const source = await openSource(`${dir}/data`);
    if (after === 0) controller.abort(reason);
    let count = 0;
    const all = async (): Promise<void> => {
      for await (const _ of source.blocks(controller.signal)) {
        count += 1;
        t.equal(getEventListeners(controller.signal, 'abort').length, 0);
        if (count === after) controller.abort(reason);
      }
    };
    if (after < 4) await t.rejects(all(), reason);
    else await all();
    t.equal(count, Math.min(after, 3));
    await turns();
    t.equal(getEventListeners(controller.signal, 'abort').length, 0);
    await source.close();
  }
});

t.test('a reader that stops early leaves nothing behind', async (t) => {
  writeFileSync(`${dir}/data`, noise(3 * MIB));
  const source = await openSource(`${dir}/data`);
  for await (const block of source.blocks(new AbortController().signal)) {
    t.equal(block.byteLength, MIB);
    break;
  }
  await source.close();
});
