import { readFileSync } from 'node:fs';

/** The page: every file that there is, and no other. */
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
  '/style.css': ['style.css', 'text/css; charset=utf-8'],
  '/main.js': ['main.js', 'text/javascript; charset=utf-8'],
  '/api.js': ['api.js', 'text/javascript; charset=utf-8'],
  '/dom.js': ['dom.js', 'text/javascript; charset=utf-8'],
  '/format.js': ['format.js', 'text/javascript; charset=utf-8'],
  '/live-views.js': ['live-views.js', 'text/javascript; charset=utf-8'],
  '/running-images.js': ['running-images.js', 'text/javascript; charset=utf-8'],
  '/table-views.js': ['table-views.js', 'text/javascript; charset=utf-8'],
};

export interface Asset {
  readonly type: string;
  readonly body: Buffer;
}

/** Read the page's files, which lie beside this module. */
export function readAssets(): ReadonlyMap<string, Asset> {
  return new Map(
    Object.entries(FILES).map(([path, [file, type]]) => {
      const body = readFileSync(new URL(`./page/${file}`, import.meta.url));
      return [path, { type, body }];
    }),
  );
}
