import { execFile } from 'node:child_process';

const bridgeUrl = new URL('../../src/bridge/bridge.ts', import.meta.url).href;

export interface ChildResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run a module in a fresh Node. It may use `bridgeUrl` and top-level await. */
export function runChild(source: string, env: Readonly<Record<string, string>> = {}): Promise<ChildResult> {
  const script = `const bridgeUrl = ${JSON.stringify(bridgeUrl)};\n${source}`;
  const args = ['--input-type=module', '--eval', script];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, stdout, stderr });
    });
  });
}
