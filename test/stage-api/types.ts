/** What the types of `vast-ost/stage` let through and what they do not: checked by the compiler, never run. */
import { type Bytes, defineStage, type StandardSchema } from 'vast-ost/stage';
import { z } from 'zod';

const common = { name: 'vast-ost-stage-x', version: '1.0.0', apiVersion: 1 } as const;
const same = (data: Bytes): Uint8Array => data;

/** Options are what the schema gives, whoever made it; the state what `open` gives. */
export const byZod = defineStage({
  ...common,
  kind: 'transform',
  optionsSchema: z.strictObject({ level: z.int().default(3) }),
  open: ({ options }): { level: number } => ({ level: options.level }),
  encode: (data, chunk, { options: { level } }, state) => data.subarray(level + state.level + chunk.index),
  decode: async (data) => data,
});

export const sealing = defineStage({
  ...common,
  kind: 'transform',
  open: ({ sealed, size }): { whole: boolean } => ({ whole: sealed['size'] === size }),
  seal: ({ size, chunks }, { image }, { whole }) => ({ size, chunks, whole, name: image.name }),
  encode: same,
  decode: same,
});

// @ts-expect-error what is sealed is an object
export const sealedText = defineStage({ ...common, kind: 'transform', seal: () => 'text', encode: same, decode: same });

declare const schema: StandardSchema<{ readonly mask: number }>;
export const byHand = defineStage({
  ...common,
  kind: 'transform',
  optionsSchema: schema,
  // @ts-expect-error there is no such option
  encode: (data, _chunk, { options }) => data.subarray(options.level),
  decode: same,
});

// @ts-expect-error a transform has an inverse
export const noInverse = defineStage({ ...common, kind: 'transform', encode: same });

// @ts-expect-error bytes are bytes
export const text = defineStage({ ...common, kind: 'transform', encode: () => 'text', decode: same });

// @ts-expect-error there is no version 2 yet
export const future = defineStage({ ...common, apiVersion: 2, kind: 'transform', encode: same, decode: same });

// @ts-expect-error there is no such kind
export const other = defineStage({ ...common, kind: 'filter', encode: same, decode: same });

export const observer = defineStage<object, { readonly count: number }>({
  ...common,
  kind: 'observer',
  observe: (data) => ({ count: data.byteLength }),
  finish: (found, complete, { report }) => {
    const values = { count: found.reduce((sum, { result }) => sum + result.count, 0) };
    report({ severity: complete ? 'info' : 'warning', text: 'counted', values });
  },
});

export const unkept = defineStage<object, { readonly when: string }>({
  ...common,
  kind: 'observer',
  // @ts-expect-error the result is another
  observe: () => ({ when: new Date() }),
});

export const router = defineStage({
  ...common,
  kind: 'router',
  route: ({ policy }) => (policy === '' ? undefined : { lsu: policy }),
});

export const nowhere = defineStage({
  ...common,
  kind: 'router',
  // @ts-expect-error a route has no such field
  route: () => ({ bucket: 'b' }),
});
