import t from 'tap';
import { imageHandles } from '../../src/ost/image-handles.ts';
import { ACT_TOKEN, serveConsole } from '../console/support.ts';
import { Bench } from '../ost/support/engine.ts';
import { imageId } from '../ost/support/host.ts';
import { Chromium, hasChromium } from './chromium.ts';

const MIB = 1024 * 1024;

t.test('the console in a browser', { skip: hasChromium ? false : 'there is no chromium' }, async (t) => {
  const bench = new Bench(t, { backend: imageHandles });
  const engine = await bench.start();
  const host = await bench.host();
  await host.backup(1n, imageId('done'), Buffer.alloc(2 * MIB, 'vast-ost'));
  // Names come from hosts.
  await host.create(2n, imageId('<img src=x onerror=document.title="taken">'));
  const { port } = await serveConsole(t, engine);
  const browser = await Chromium.open();
  t.teardown(() => browser.close());
  const text = (id: string) => `document.getElementById('${id}').innerText`;
  await browser.send('Page.navigate', { url: `http://127.0.0.1:${port}/` });

  await browser.until(`document.readyState === 'complete' && ${text('connection')} === 'live'`);
  await browser.until(`${text('bottleneck')}.startsWith('Backup is held back by the host')`);
  t.equal(await browser.evaluate(`document.querySelector('.limits strong').innerText`), 'source');
  await browser.until(`${text('running-content')}.includes('<img src=x')`);
  await browser.until(`${text('recent-content')}.includes('done') && ${text('lsus-content')}.includes('other')`);
  t.equal(await browser.evaluate('document.title'), 'vast-ost', 'a name is a text');

  // By keyboard alone: verify, which wants a token first.
  await browser.evaluate(`document.querySelector('#recent-content button').focus()`);
  await browser.press('Enter');
  await browser.until(`document.getElementById('token-dialog').open`);
  t.equal(await browser.evaluate('document.activeElement.id'), 'token-input');
  await browser.send('Input.insertText', { text: ACT_TOKEN });
  await browser.press('Enter');
  await browser.until(`!document.getElementById('token-dialog').open`);
  await browser.evaluate(`document.querySelector('#recent-content button').focus()`);
  await browser.press('Enter');
  await browser.until(`/verify\\s+ok/.test(${text('actions-content')})`);
  t.match(await browser.evaluate('document.activeElement.dataset.key'), /^verify /, 'the focus stays where it was');

  // What a screen reader needs: every control and every figure has a name.
  const nameless = `[...document.querySelectorAll('button, input, select, progress, meter, [role=img], table')]
    .filter((one) => !(one.innerText || one.ariaLabel || one.labels?.[0]?.innerText)).map((one) => one.outerHTML)`;
  t.strictSame(await browser.evaluate(nameless), []);
  t.strictSame(
    browser.complaints.filter((one) => !one.includes('401')),
    [],
    'neither exceptions nor anything that the policy refused',
  );

  const colours: unknown[] = [];
  for (const value of ['light', 'dark']) {
    await browser.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value }] });
    colours.push(await browser.evaluate('getComputedStyle(document.body).backgroundColor'));
  }
  t.not(colours[0], colours[1]);
});
