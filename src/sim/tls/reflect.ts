/**
 * `@peculiar/x509` joins its parts with a container that wants the metadata half of the Reflect API,
 * which JavaScript does not have. These are the calls that it makes.
 */
const store = new WeakMap<object, Map<unknown, unknown>>();

const METADATA = {
  defineMetadata(key: unknown, value: unknown, target: object): void {
    const known = store.get(target) ?? new Map<unknown, unknown>();
    store.set(target, known.set(key, value));
  },
  getOwnMetadata(key: unknown, target: object): unknown {
    return store.get(target)?.get(key);
  },
  getMetadata(key: unknown, target: object): unknown {
    for (let each: object | null = target; each !== null; each = Object.getPrototypeOf(each)) {
      if (store.get(each)?.has(key)) return store.get(each)?.get(key);
    }
    return undefined;
  },
};

for (const [name, value] of Object.entries(METADATA)) {
  if (!(name in Reflect)) Object.defineProperty(Reflect, name, { value, configurable: true, writable: true });
}
