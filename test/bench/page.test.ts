import { readFile } from 'node:fs/promises';
import t from 'tap';
import { TITLES, withSection } from '../../bench/page.ts';

const titlesOf = (page: string): string[] => [...page.matchAll(/^## (.*)$/gm)].map(([, title]) => title as string);

t.test('a section takes the place of the one of its title; the others stay as they are', async (t) => {
  const first = withSection('', 'Restore', 'slow\n\n| a |\n| --- |\n| 1 |');
  const second = withSection(first, 'Memory', 'little\n');
  t.same(titlesOf(second), ['Memory', 'Restore']);
  t.ok(second.startsWith('# Benchmarks\n\n'));
  t.ok(second.endsWith('## Memory\n\nlittle\n\n## Restore\n\nslow\n\n| a |\n| --- |\n| 1 |\n'));
  const third = withSection(second, 'Restore', 'fast');
  t.equal(third, second.replace('slow\n\n| a |\n| --- |\n| 1 |', 'fast'));
  t.equal(withSection(third, 'Restore', 'fast'), third);
});

t.test('what no section is called any more is left out', async (t) => {
  const page = `${withSection('', 'Memory', 'little')}\n## Something else\n\nold\n`;
  t.same(titlesOf(withSection(page, 'Lanes', 'none')), ['Memory', 'Lanes']);
});

t.test('the page of the documentation has sections of these titles only, in this order', async (t) => {
  const titles = titlesOf(await readFile('docs/benchmarks.md', 'utf8'));
  t.same(
    titles,
    TITLES.filter((title) => titles.includes(title)),
  );
});
