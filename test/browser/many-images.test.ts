import t from 'tap';
import { imageHandles } from '../../src/ost/image-handles.ts';
import { serveConsole } from '../console/support.ts';
import { Bench } from '../ost/support/engine.ts';
import { LoadHost } from '../soak/load-host.ts';
import { Chromium, hasChromium } from './chromium.ts';

const IMAGES = 1_000;

t.test('a thousand open images', { skip: hasChromium ? false : 'there is no chromium' }, async (t) => {
  const bench = new Bench(t, { backend: imageHandles });
  const engine = await bench.start();
  const host = await bench.host({ slotCount: 64, journalCount: IMAGES });
  await new LoadHost(host, 'lsu').openMany(IMAGES);
  const { port } = await serveConsole(t, engine);
  const browser = await Chromium.open();
  t.teardown(() => browser.close());
  const content = `document.getElementById('running-content')`;
  const rows = `${content}.querySelectorAll('tbody tr').length`;
  const first = `${content}.querySelector('tbody tr td')?.innerText`;
  const button = (name: string) => `${content}.querySelector('[data-key="running ${name}"]')`;
  await browser.send('Page.navigate', { url: `http://127.0.0.1:${port}/` });
  await browser.until(`document.readyState === 'complete' && ${content} !== null`);
  await browser.until(`${rows} === 100 && ${content}.innerText.includes('1 to 100 of ${IMAGES},')`);
  t.equal(await browser.evaluate(`${button('Previous')}.disabled`), true);
  const names = new Set([await browser.evaluate(first)]);

  // By keyboard, to the last page; the focus stays on the button while pictures come.
  await browser.evaluate(`${button('Next')}.focus()`);
  for (let page = 1; page < IMAGES / 100; page += 1) {
    await browser.press('Enter');
    const range = `${100 * page + 1} to ${100 * page + 100} of ${IMAGES},`;
    await browser.until(`${rows} === 100 && ${content}.innerText.includes('${range}')`);
    names.add(await browser.evaluate(first));
  }
  t.equal(names.size, IMAGES / 100, 'each page has others');
  t.equal(await browser.evaluate(`${button('Next')}.disabled`), true);
  await browser.evaluate(`${button('Previous')}.click()`);
  await browser.until(`${rows} === 100 && ${content}.innerText.includes('801 to 900 of')`);

  // What is open no more has no page.
  await host.disconnect();
  await browser.until(`${content}.innerText.includes('No image is open.')`);
  t.strictSame(browser.complaints, []);
});
