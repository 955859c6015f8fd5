import { open, readFile, rename } from 'node:fs/promises';
import { z } from 'zod';
import { EngineError } from '../../errors.ts';
import type { StepKind } from './plan.ts';

const KINDS = ['tenant', 'policy', 'user', 'keys', 'view', 'quota', 'lifecycle rule'] as const satisfies StepKind[];
const MadeThing = z.object({
  kind: z.enum(KINDS),
  name: z.string(),
  lsu: z.string().optional(),
  id: z.number().optional(),
});
/** One thing that provisioning made. */
export type Made = z.output<typeof MadeThing>;
const RecordFile = z.object({
  format: z.literal('vast-ost-provisioned'),
  version: z.literal(1),
  made: z.array(MadeThing),
});

/**
 * What provisioning made, on disk: teardown removes nothing else. Without a path nothing is remembered beyond this process.
 */
export class MadeRecord {
  readonly #path: string | undefined;
  #made: readonly Made[];

  private constructor(path: string | undefined, made: readonly Made[]) {
    this.#path = path;
    this.#made = made;
  }

  /** @throws EngineError VOST_PROVISION_RECORD (`usage`) for a file that is no record */
  static async open(path?: string): Promise<MadeRecord> {
    if (path === undefined) return new MadeRecord(path, []);
    try {
      return new MadeRecord(path, RecordFile.parse(JSON.parse(await readFile(path, 'utf8'))).made);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return new MadeRecord(path, []);
      throw new EngineError('VOST_PROVISION_RECORD', 'usage', `${path} is not a record of what was provisioned`, {
        cause,
        advice: 'move it away; teardown then knows nothing of what was made before',
      });
    }
  }

  get made(): readonly Made[] {
    return this.#made;
  }

  async add(thing: Made): Promise<void> {
    await this.#replace([...this.#made, thing]);
  }

  async remove(thing: Made): Promise<void> {
    await this.#replace(this.#made.filter((one) => one !== thing));
  }

  async #replace(made: readonly Made[]): Promise<void> {
    this.#made = made;
    if (this.#path === undefined) return;
    const record = { format: 'vast-ost-provisioned', version: 1, made };
    const temporary = `${this.#path}.new`;
    {
      await using file = await open(temporary, 'w', 0o600);
      await file.writeFile(`${JSON.stringify(record)}\n`);
      await file.sync();
    }
    await rename(temporary, this.#path);
  }
}
