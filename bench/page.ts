/** Titles of the sections, in the order in which they stand. */
export const TITLES = [
  'Completeness',
  'Write chain',
  'Memory',
  'Hand-over',
  'Lanes',
  'What a stage costs',
  'Compression',
  'Backup, the whole way',
  'Digests in a directory',
  'Restore',
  'Small images',
  'Metrics and console',
] as const;
export type Title = (typeof TITLES)[number];

const ABOUT = `# Benchmarks

Made by \`make bench\`, or section by section by \`bench/run --only\`: each says when, on what machine, and how much of its processors the machine's host gave to others
meanwhile. Figures of one section were measured side by side; between sections compare ratios.`;

/** The page with a section in the place of the one of that title. Sections of other titles than ours are left out. */
export function withSection(page: string, title: Title, text: string): string {
  const sections = new Map<string, string>();
  for (const section of page.split(/^(?=## )/m)) {
    const [, name] = /^## (.*)\n/.exec(section) ?? [];
    if (name !== undefined) sections.set(name, section.trim());
  }
  sections.set(title, `## ${title}\n\n${text.trim()}`);
  const present = TITLES.map((one) => sections.get(one)).filter((one) => one !== undefined);
  return `${[ABOUT, ...present].join('\n\n')}\n`;
}
