import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from '../support/temp-dir.ts';

/** Whether to leave out what needs promtool, and why. */
export const withoutPromtool: string | false =
  spawnSync('promtool', ['--version']).status === 0 ? false : 'no promtool (Debian: prometheus)';

/** A sample that an expression is to have at a time. */
export interface Check {
  readonly expr: string;
  /** `30m`, counted from the first sample. */
  readonly at: string;
  /** Series, as `{label="value"}`, and their values. */
  readonly gives: Readonly<Record<string, number>>;
}

/** Series with their samples in promtool's notation, and what is true then. */
export interface Scene {
  readonly interval: string;
  readonly series: Readonly<Record<string, string>>;
  readonly checks: readonly Check[];
}

/** What promtool says against these scenes under rules; '' when all is as expected. */
export function unitTest(rules: string, scenes: readonly Scene[]): string {
  const file = join(tempDir(), 'test.yml');
  const tests = scenes.map(({ interval, series, checks }) => ({
    interval,
    input_series: Object.entries(series).map(([series, values]) => ({ series, values })),
    promql_expr_test: checks.map(({ expr, at, gives }) => ({
      expr,
      eval_time: at,
      exp_samples: Object.entries(gives).map(([labels, value]) => ({ labels, value })),
    })),
  }));
  // JSON is YAML.
  writeFileSync(file, JSON.stringify({ rule_files: [rules], evaluation_interval: '1m', tests }));
  return said(['test', 'rules', file]);
}

/** What promtool says against rules in its own format; '' when they can be understood. */
export function checkRules(text: string): string {
  const file = join(tempDir(), 'rules.yml');
  writeFileSync(file, text);
  return said(['check', 'rules', file]);
}

function said(parameters: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('promtool', parameters, { encoding: 'utf8' });
  return status === 0 ? '' : `${stdout}${stderr}`;
}
