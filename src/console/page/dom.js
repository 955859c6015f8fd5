// Elements are made one by one and texts are only ever texts: nothing that comes from elsewhere can become markup.

/** @typedef {Node | string | number | undefined} Child */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | boolean | (() => void)>} attributes functions listen to clicks
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value !== false) element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children)
    if (child !== undefined) element.append(typeof child === 'number' ? String(child) : child);
  return element;
}

/** @param {string} id */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`there is no ${id}`);
  return element;
}

/** @type {WeakMap<Element, string>} */
const shown = new WeakMap();

/**
 * Show something new in an element, unless it is what it shows already: who reads or stands on a button there is not disturbed. Whoever
 * had the focus has it again if it is still there.
 *
 * @param {Element} element
 * @param {unknown} data what the children are made of
 * @param {() => Child[]} build
 */
export function show(element, data, build) {
  const key = JSON.stringify(data);
  if (shown.get(element) === key) return;
  shown.set(element, key);
  const focused = element.contains(document.activeElement)
    ? document.activeElement?.getAttribute('data-key')
    : undefined;
  element.replaceChildren(
    ...build()
      .filter((child) => child !== undefined)
      .map((child) => (child instanceof Node ? child : String(child))),
  );
  if (typeof focused !== 'string') return;
  for (const one of element.querySelectorAll('[data-key]'))
    if (one instanceof HTMLElement && one.dataset['key'] === focused) one.focus();
}

/**
 * @param {string} caption for screen readers
 * @param {string[]} headings
 * @param {Child[][]} rows
 */
export function table(caption, headings, rows) {
  const head = make('tr', {}, ...headings.map((heading) => make('th', { scope: 'col' }, heading)));
  const body = rows.map((cells) =>
    make('tr', {}, ...cells.map((cell) => make('td', { class: typeof cell === 'number' ? 'number' : '' }, cell))),
  );
  return make('table', { 'aria-label': caption }, make('thead', {}, head), make('tbody', {}, ...body));
}

/** @param {string} text */
export const nothing = (text) => make('p', { class: 'soft' }, text);
