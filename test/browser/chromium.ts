import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import type { Test } from 'tap';

/** Debian's; Playwright would download one of its own. */
const EXECUTABLE = '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** A machine may be busy. */
const PATIENCE_MS = 120_000;
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Why browser tests are left out on this machine; false when they are not. */
export const noChromium: string | false =
  spawnSync(EXECUTABLE, ['--version']).status === 0
    ? false
    : `browser tests are left out: there is no ${EXECUTABLE} (Debian: apt-get install chromium)`;

export interface Window {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the page complained about: exceptions, errors on its console, whatever its policy refused. */
  readonly complaints: string[];
}

/** A window of a Chromium, which both end with the test. */
export async function openWindow(t: Test, options: BrowserContextOptions = {}): Promise<Window> {
  const browser = await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
  t.teardown(() => browser.close());
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  await page.exposeFunction('complain', (text: string) => complaints.push(text));
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
      (globalThis as unknown as { complain(text: string): void }).complain(`${violatedDirective} ${blockedURI}`);
    });
  });
  return { page, context, complaints };
}

/** What axe-core finds wrong with the page as it is: which rule, and where. */
export async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await axe.run();
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  });
}
