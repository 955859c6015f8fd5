import type { Query } from './query.ts';

type Json = Readonly<Record<string, unknown>>;

/** What a panel shows, whatever its kind. */
export interface PanelOptions {
  readonly title: string;
  /** One or two sentences: what is seen, and what to do about it. */
  readonly description: string;
  readonly queries: readonly Query[];
  /** Grafana's id of the unit. */
  readonly unit: string;
  /** Columns of 24. */
  readonly width?: number;
  /** From this value on orange, and red. */
  readonly limits?: readonly [orange: number, red: number];
  readonly min?: number;
  readonly max?: number;
}

/** A panel without its place. */
export interface Panel {
  readonly options: PanelOptions;
  readonly height: number;
  readonly json: Json;
}

const SOURCE = { type: 'prometheus', uid: '$datasource' } as const;

/** Lines over time. */
export function lines(options: PanelOptions, style: { readonly stack?: boolean; readonly fill?: number } = {}): Panel {
  const custom = {
    lineWidth: 1,
    fillOpacity: style.fill ?? (style.stack ? 60 : 8),
    showPoints: 'never',
    stacking: { mode: style.stack ? 'normal' : 'none' },
  };
  const legend = { displayMode: 'table', placement: 'bottom', calcs: ['mean', 'max', 'lastNotNull'] };
  const tooltip = { mode: 'multi', sort: 'desc' };
  return panel('timeseries', 8, options, { custom }, { legend, tooltip }, false);
}

/** Big numbers of now. */
export function numbers(options: PanelOptions, textMode: 'auto' | 'name' | 'value_and_name' = 'auto'): Panel {
  const reduceOptions = { calcs: ['lastNotNull'], fields: '', values: false };
  const colorMode = options.limits === undefined ? 'none' : 'background';
  return panel('stat', 4, options, {}, { reduceOptions, textMode, colorMode, graphMode: 'none' }, true);
}

/** Bars of now, one for each series. */
export function bars(options: PanelOptions): Panel {
  const reduceOptions = { calcs: ['lastNotNull'], fields: '', values: false };
  return panel('bargauge', 8, options, {}, { reduceOptions, orientation: 'horizontal', displayMode: 'lcd' }, true);
}

/** States over time: 0 is green, 1 is red. */
export function states(options: PanelOptions): Panel {
  const text = { type: 'value', options: { 0: { text: 'no' }, 1: { text: 'yes' } } };
  const more = { mappings: [text], custom: { fillOpacity: 70, lineWidth: 0 } };
  return panel('state-timeline', 6, { ...options, limits: [1, 1] }, more, { showValue: 'never' }, false);
}

function panel(type: string, height: number, options: PanelOptions, more: Json, view: Json, instant: boolean): Panel {
  const { title, description, queries, unit, limits, min = 0, max } = options;
  const steps = [
    { color: 'green', value: null },
    ...(limits === undefined ? [] : [{ color: 'orange', value: limits[0] }]),
    ...(limits === undefined ? [] : [{ color: 'red', value: limits[1] }]),
  ];
  const defaults = {
    unit,
    min,
    ...(max === undefined ? {} : { max }),
    thresholds: { mode: 'absolute', steps },
    ...more,
  };
  const targets = queries.map(({ expr, legend }, at) => ({
    refId: String.fromCharCode(65 + at),
    datasource: SOURCE,
    expr,
    legendFormat: legend === '' ? '__auto' : legend,
    instant,
    range: !instant,
  }));
  const json = {
    type,
    title,
    description,
    datasource: SOURCE,
    fieldConfig: { defaults, overrides: [] },
    options: view,
    targets,
  };
  return { options, height, json };
}
