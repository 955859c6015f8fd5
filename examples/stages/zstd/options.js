/**
 * A Standard Schema (standardschema.dev) made of one check for each option.
 *
 * @template T
 * @param {{ readonly [K in keyof T]: (value: unknown) => T[K] }} fields each gives the option, completed, or throws what it must be; undefined: it was not given
 * @returns {import('vast-ost/stage').StandardSchema<T>}
 */
export function optionsOf(fields) {
  return {
    '~standard': {
      version: 1,
      vendor: 'vast-ost',
      validate: (input) => {
        const given = /** @type {Record<string, unknown>} */ (input);
        const unknown = Object.keys(given).find((name) => !Object.hasOwn(fields, name));
        if (unknown !== undefined) return { issues: [{ message: 'is not an option', path: [unknown] }] };
        const value = /** @type {T} */ ({});
        for (const name of /** @type {(keyof T & string)[]} */ (Object.keys(fields))) {
          try {
            const found = fields[name](given[name]);
            if (found !== undefined) value[name] = found;
          } catch (error) {
            return { issues: [{ message: /** @type {Error} */ (error).message, path: [name] }] };
          }
        }
        return { value };
      },
    },
  };
}
