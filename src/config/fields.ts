import { z } from 'zod';

/** A whole number that arrives as text. */
export const Count = (min: number, max: number) =>
  z
    .string()
    .regex(/^[0-9]{1,15}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max));
