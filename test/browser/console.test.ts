import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { imageHandles } from '../../src/ost/image-handles.ts';
import { Authority } from '../../src/sim/tls/authority.ts';
import { ACT_TOKEN, READ_TOKEN, serveConsole } from '../console/support.ts';
import { Bench } from '../ost/support/engine.ts';
import { imageId } from '../ost/support/host.ts';
import { tempDir } from '../support/temp-dir.ts';
import { listen } from '../tracing/collector.ts';
import { barriers, noChromium, openWindow } from './chromium.ts';

const MIB = 1024 * 1024;
const skip = noChromium;

/** What has the focus, as somebody sees and hears it. */
interface Focus {
  readonly tag: string;
  readonly key: string;
  readonly name: string;
  readonly outlined: boolean;
}

function focusOf(page: Page): Promise<Focus> {
  return page.evaluate(() => {
    const one = document.activeElement as HTMLInputElement;
    const name = one.ariaLabel || one.labels?.[0]?.textContent || one.textContent || '';
    const { outlineStyle, outlineWidth } = getComputedStyle(one);
    const outlined = outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 2;
    return { tag: one.tagName, key: one.dataset['key'] ?? one.id, name: name.trim(), outlined };
  });
}

/** Press Tab until the focus is where it is wanted; resolves to all that had it. */
async function tabTo(page: Page, wanted: (focus: Focus) => boolean): Promise<Focus[]> {
  const passed: Focus[] = [];
  while (passed.length < 100) {
    await page.keyboard.press('Tab');
    const focus = await focusOf(page);
    passed.push(focus);
    if (wanted(focus)) return passed;
  }
  throw new Error(`Tab does not get there: ${JSON.stringify(passed)}`);
}

/** An engine with an image that is complete and one that is being written, under a name that a host thought up. */
async function site(t: Test, metrics = '') {
  const bench = new Bench(t, { backend: imageHandles });
  const engine = await bench.start();
  const host = await bench.host();
  await host.backup(1n, imageId('done'), Buffer.alloc(2 * MIB, 'vast-ost'));
  await host.create(2n, imageId('<img src=x onerror=document.title="taken">'));
  return serveConsole(t, engine, metrics);
}

t.test('the console in a browser, by keyboard alone', { skip }, async (t) => {
  const { port } = await site(t);
  const { page, complaints } = await openWindow(t, { colorScheme: 'light' });
  await page.goto(`http://127.0.0.1:${port}/`);
  await page.getByText('live', { exact: true }).waitFor();
  await page.getByText('Backup is held back by the host').waitFor();
  t.equal(await page.locator('.limits strong').textContent(), 'source');
  await page.locator('#running-content', { hasText: '<img src=x' }).waitFor();
  await page.locator('#recent-content', { hasText: 'done' }).waitFor();
  await page.locator('#lsus-content', { hasText: 'other' }).waitFor();
  t.equal(await page.title(), 'vast-ost', 'a name is a text');

  const [skipLink] = await tabTo(page, () => true);
  t.match(skipLink, { tag: 'A', name: 'Skip to the pipeline' }, 'who cannot see need not hear all links first');
  const passed = await tabTo(page, ({ key }) => key.startsWith('verify '));
  for (const { tag, key, name, outlined } of passed) {
    t.not(name, '', `${tag} ${key} has a name`);
    t.ok(outlined, `${name}: one sees where the focus is`);
  }
  // Verify, which wants a token first.
  await page.keyboard.press('Enter');
  await page.locator('#token-dialog[open]').waitFor();
  t.match(await focusOf(page), { key: 'token-input', name: 'Token' });
  t.strictSame(await barriers(page), [], 'the dialog');
  await page.keyboard.press('Escape');
  await page.locator('#token-dialog:not([open])').waitFor({ state: 'attached' });
  t.match(await focusOf(page), { key: /^verify / }, 'the focus is where it was before');
  await page.keyboard.press('Enter');
  await page.locator('#token-dialog[open]').waitFor();
  await page.keyboard.insertText(ACT_TOKEN);
  await page.keyboard.press('Enter');
  await page.locator('#token-dialog:not([open])').waitFor({ state: 'attached' });
  if (!(await focusOf(page)).key.startsWith('verify ')) await tabTo(page, ({ key }) => key.startsWith('verify '));
  await page.keyboard.press('Enter');
  await page.getByRole('row', { name: /verify .*ok/ }).waitFor();
  t.match(await focusOf(page), { key: /^verify / }, 'the focus stays where it was');
  // Who opens the dialog once more, and thinks better of it, keeps the token.
  await tabTo(page, ({ key }) => key === 'token-button');
  await page.keyboard.press('Enter');
  await page.locator('#token-dialog[open]').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('#token-dialog:not([open])').waitFor({ state: 'attached' });
  // The form, field by field.
  await tabTo(page, ({ name }) => name === 'Server');
  await page.keyboard.insertText('test');
  await page.keyboard.press('Tab');
  await page.keyboard.insertText('lsu');
  await page.keyboard.press('Tab');
  await page.keyboard.insertText('done');
  await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('row', { name: /restore-check .*ok/ }).waitFor();

  t.strictSame(
    complaints.filter((one) => !one.includes('401')),
    [],
    'neither exceptions nor anything that the policy refused',
  );
  const colours = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    colours.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    t.strictSame(await barriers(page), [], `${colorScheme}: names, roles, contrast`);
  }
  t.not(colours[0], colours[1]);
});

t.test('the console over TLS in a browser', { skip }, async (t) => {
  const dir = tempDir();
  const { cert, key } = await (await Authority.open(dir)).issueServer(['127.0.0.1']);
  const write = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
    return join(dir, name);
  };
  const files = [write('c', cert), write('k', key), write('p', 'user = prom\npassword = secret\n')];
  const lines = ['tls_cert_file', 'tls_key_file', 'password_file'].map((name, at) => `${name} = ${files[at]}`);
  const { port } = await site(t, lines.join('\n'));
  const url = `https://127.0.0.1:${port}/`;

  const careful = await openWindow(t);
  await t.rejects(careful.page.goto(url), { message: /ERR_CERT_AUTHORITY_INVALID/ });

  const { page, complaints } = await openWindow(t, { ignoreHTTPSErrors: true });
  await page.goto(url);
  await page.getByText('a token that is in token_file is needed').first().waitFor();
  t.notMatch(await page.content(), 'done', 'without a token there is nothing to be seen');
  await page.locator('#token-dialog[open]').waitFor();
  await page.getByRole('textbox', { name: 'Token' }).fill(READ_TOKEN);
  await page.getByRole('button', { name: 'Use it' }).click();
  await page.locator('#recent-content', { hasText: 'done' }).waitFor();
  await page.locator('#recent-content button').first().click();
  await page
    .getByText(/may only read/)
    .first()
    .waitFor();
  t.strictSame(
    complaints.filter((one) => !/401|403/.test(one)),
    [],
  );
});

t.test("a page of somebody else's cannot act, nor read", { skip }, async (t) => {
  const { port, ask } = await site(t);
  const { page } = await openWindow(t);
  await page.goto(await listen(t, (_, response) => response.setHeader('content-type', 'text/html').end('<title>evil')));
  const attempts = await page.evaluate(
    async ({ at, token }) => {
      const body = JSON.stringify({ kind: 'verify', server: 'test', lsu: 'lsu', image: 'done' });
      const post = { method: 'POST', body } as const;
      const tries: readonly [string, RequestInit][] = [
        ['/api/v1/state', {}],
        ['/metrics', {}],
        ['/api/v1/actions', { ...post, mode: 'no-cors' }],
        [
          '/api/v1/actions',
          { ...post, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' } },
        ],
      ];
      return Promise.all(
        tries.map(async ([path, options]) => {
          try {
            return (await fetch(at + path, { credentials: 'include', ...options })).type;
          } catch {
            return 'refused';
          }
        }),
      );
    },
    { at: `http://127.0.0.1:${port}`, token: ACT_TOKEN },
  );
  t.strictSame(attempts, Array(4).fill('refused'), 'it learns nothing');
  t.strictSame((await ask('/api/v1/actions', { token: READ_TOKEN })).json, { actions: [] }, 'nothing was begun');
  await page.setContent(`<iframe src="http://127.0.0.1:${port}/"></iframe>`);
  const frame = page.frames()[1];
  t.notMatch(await frame?.content(), 'Pipeline', 'it is shown in no frame');
});
