/**
 * Loaded before an engine of the benchmark (`--import`), and in its threads: what is imported of src/ comes from dist/, as it is shipped. Types that are taken out while
 * a program runs cost 20 MiB of memory, and 10 more in each thread; so does this file if it has any.
 */
import { registerHooks } from 'node:module';

const SOURCES = new URL('../src/', import.meta.url).href;
const SHIPPED = new URL('../dist/', import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    if (!found.url.startsWith(SOURCES)) return found;
    return { ...found, url: found.url.replace(SOURCES, SHIPPED).replace(/\.ts$/, '.js'), format: 'module' };
  },
});
