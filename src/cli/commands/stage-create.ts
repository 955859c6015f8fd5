import { basename, resolve } from 'node:path';
import { createStage } from '../../stage-kit/scaffold.ts';
import { printJson } from '../output.ts';

export interface StageCreateOptions {
  readonly kind: 'transform' | 'observer' | 'router';
  readonly dir?: string;
  readonly json: boolean;
}

/** `vast-ost stage create NAME`: a package to begin with. */
export async function stageCreate(name: string, { kind, dir, json }: StageCreateOptions): Promise<void> {
  const folder = resolve(dir ?? basename(name));
  const files = await createStage(name, kind, folder);
  if (json) {
    printJson({ stage: name, kind, folder, files });
    return;
  }
  for (const file of files) process.stdout.write(`${folder}/${file}\n`);
  process.stderr.write(`${name} is in ${folder}; next:\n  cd ${folder}\n  vast-ost stage test .\n`);
}
