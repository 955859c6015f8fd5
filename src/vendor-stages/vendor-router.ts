import type { ImageInfo, Route } from '../stage-api/index.ts';
import type { LoadedStage, StageConfiguration } from './loaded-stage.ts';
import { objectOf } from './loaded-stage.ts';
import { stageFailure } from './stage-failure.ts';

/** A router with checked options. */
export interface ConfiguredRouter {
  readonly name: string;
  /** Where a new image goes; empty: where it would go anyway. */
  route(image: ImageInfo, signal: AbortSignal | undefined): Promise<Route>;
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
