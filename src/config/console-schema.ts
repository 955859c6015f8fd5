import { z } from 'zod';

/** `[console]`: the page and the API beside `/metrics`. Documented in docs/service.md. */
export const consoleSchema = {
  /** File with the tokens: `NAME = SCOPE TOKEN` lines. */
  token_file: z.string().startsWith('/').optional(),
} as const;
