import t from 'tap';
import { imageHandles } from '../../src/ost/image-handles.ts';
import { serveConsole } from '../console/support.ts';
import { Bench } from '../ost/support/engine.ts';
import { LoadHost } from '../soak/load-host.ts';
import { noChromium, openWindow } from './chromium.ts';

const IMAGES = 1_000;

t.test('a thousand open images', { skip: noChromium }, async (t) => {
  const bench = new Bench(t, { backend: imageHandles });
  const engine = await bench.start();
  const host = await bench.host({ slotCount: 64, journalCount: IMAGES });
  await new LoadHost(host, 'lsu').openMany(IMAGES);
  const { port } = await serveConsole(t, engine);
  const { page, complaints } = await openWindow(t);
  const running = page.locator('#running-content');
  const rows = running.locator('tbody tr');
  const button = (name: string) => running.locator(`[data-key="running ${name}"]`);
  /** The page of the table that says so, and its first row. */
  const shows = async (range: string): Promise<string> => {
    await running.getByText(`${range} of ${IMAGES},`).waitFor();
    return (await rows.first().locator('td').first().textContent()) ?? '';
  };
  await page.goto(`http://127.0.0.1:${port}/`);
  const names = new Set([await shows('1 to 100')]);
  t.equal(await rows.count(), 100);
  t.ok(await button('Previous').isDisabled());

  // By keyboard, to the last page; the focus stays on the button while pictures come.
  await button('Next').focus();
  for (let number = 1; number < IMAGES / 100; number += 1) {
    await page.keyboard.press('Enter');
    names.add(await shows(`${100 * number + 1} to ${100 * number + 100}`));
  }
  t.equal(names.size, IMAGES / 100, 'each page has others');
  t.ok(await button('Next').isDisabled());
  await button('Previous').click();
  await shows('801 to 900');

  // What is open no more has no page.
  await host.disconnect();
  await running.getByText('No image is open.').waitFor();
  t.strictSame(complaints, []);
});
