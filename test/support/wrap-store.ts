import type { ObjectStore } from '../../src/vast/store.ts';

/** The store with some of its members replaced. */
export function wrapStore(store: ObjectStore, members: Partial<ObjectStore>): ObjectStore {
  return new Proxy(store, {
    get: (target, name) => {
      if (Object.hasOwn(members, name)) return members[name as keyof ObjectStore];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
