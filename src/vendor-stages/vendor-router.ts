import { EngineError } from '../errors.ts';
import type { ImageInfo, Route } from '../stage-api/index.ts';
import type { ObjectStore } from '../vast/store.ts';
import { type LoadedStage, objectOf, type StageConfiguration } from './loaded-stage.ts';
import { stageFailure } from './stage-failure.ts';

/** A router with checked options. */
export interface ConfiguredRouter {
  readonly name: string;
  /** Where a new image goes; empty: where it would go anyway. */
  route(image: ImageInfo, signal: AbortSignal | undefined): Promise<Route>;
}

/** Where a new image goes, after all routers: the last one that says something wins. */
export async function routeOf(
  routers: readonly ConfiguredRouter[],
  image: ImageInfo,
  signal: AbortSignal | undefined,
): Promise<Route> {
  let route: Route = {};
  for (const router of routers) route = { ...route, ...(await router.route(image, signal)) };
  return route;
}

/** An LSU as a route wants it. @throws EngineError VOST_STAGE_ROUTE (`usage`) where there are no storage classes */
export function routedStore(store: ObjectStore, { storageClass }: Route): ObjectStore {
  if (storageClass === undefined) return store;
  if (store.inStorageClass !== undefined) return store.inStorageClass(storageClass);
  throw new EngineError(
    'VOST_STAGE_ROUTE',
    'usage',
    `${store.lsu} has no storage class ${storageClass}, nor any other`,
    {
      advice: 'leave the router out for this LSU: stages = none, or without it',
    },
  );
}

/** Hosts look for an image where they put it. @throws EngineError VOST_STAGE_ROUTE (`usage`) */
export function sameLsu({ lsu: wanted }: Route, lsu: string): void {
  if (wanted === undefined || wanted === lsu) return;
  throw new EngineError('VOST_STAGE_ROUTE', 'usage', `a router wants an image of ${lsu} in ${wanted}`, {
    advice: 'only vast-ost backup can put an image elsewhere; take the router out of the list of this LSU',
  });
}

const TEXT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export function configuredRouter(stage: LoadedStage, configuration: StageConfiguration): ConfiguredRouter {
  return {
    name: stage.name,
    route: async (image, signal) => {
      const session = await stage.session(configuration, {}, image, stage.description.version);
      const { lsu, storageClass } = objectOf(
        (await stage.call(() => ({ call: 'route', session }), session, { signal })).value,
      );
      return { ...text(stage.name, 'lsu', lsu), ...text(stage.name, 'storageClass', storageClass) };
    },
  };
}

function text(name: string, field: keyof Route, value: unknown): Route {
  if (value === undefined || value === null) return {};
  if (typeof value === 'string' && TEXT.test(value)) return { [field]: value };
  throw stageFailure('VOST_STAGE_ROUTE', 'internal', { name, call: 'route' }, `it returned no good ${field}`);
}
