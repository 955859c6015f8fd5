/**
 * A strict, bounded parser for the small documents that S3 requests carry: elements, text and the
 * five predefined entities or character references. Attributes are skipped (only `xmlns` occurs).
 * Document types, comments, CDATA and processing instructions after the declaration are refused.
 */
import { s3Error } from '../s3-error.ts';

export interface XmlElement {
  readonly name: string;
  readonly children: readonly XmlElement[];
  /** Own character data, entities resolved. */
  readonly text: string;
}

interface OpenElement {
  readonly name: string;
  readonly children: XmlElement[];
  text: string;
}

const MAX_DEPTH = 8;
const MAX_ELEMENTS = 120_000;
const NAME = '[A-Za-z_][A-Za-z0-9_.:-]*';
const TOKEN = new RegExp(`<(/)?(${NAME})((?:\\s+${NAME}\\s*=\\s*(?:"[^"<]*"|'[^'<]*'))*)\\s*(/)?>|([^<]+)`, 'y');
const DECLARATION = /^\uFEFF?\s*(?:<\?xml\s[^?<>]*\?>)?/;
const PREDEFINED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescapeXml(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&([^;&]{0,10});?/g, (whole, name: string) => {
    const known = PREDEFINED[name];
    if (known !== undefined && whole.endsWith(';')) return known;
    const reference = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name);
    if (reference === null || !whole.endsWith(';')) throw s3Error('MalformedXML');
    const code = reference[1] === undefined ? Number(reference[2]) : Number.parseInt(reference[1], 16);
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw s3Error('MalformedXML');
    return String.fromCodePoint(code);
  });
}

/** Parse a document; anything unexpected is an S3 error MalformedXML. */
export function parseXml(source: string): XmlElement {
  const text = source.replace(/\r\n?/g, '\n');
  const top: OpenElement = { name: '', children: [], text: '' };
  const open: OpenElement[] = [];
  let elements = 0;
  TOKEN.lastIndex = DECLARATION.exec(text)?.[0].length ?? 0;
  while (TOKEN.lastIndex < text.length) {
    const token = TOKEN.exec(text);
    if (token === null) throw s3Error('MalformedXML');
    const [, closing, name, attributes, empty, data] = token;
    const current = open.at(-1) ?? top;
    if (data !== undefined) {
      if (current === top && data.trim() !== '') throw s3Error('MalformedXML');
      current.text += unescapeXml(data);
    } else if (name === undefined) {
      throw s3Error('MalformedXML');
    } else if (closing !== undefined) {
      const done = open.pop();
      if (done?.name !== name || attributes !== '' || empty !== undefined) throw s3Error('MalformedXML');
    } else {
      elements += 1;
      if (elements > MAX_ELEMENTS || open.length >= MAX_DEPTH) throw s3Error('MalformedXML');
      const element: OpenElement = { name, children: [], text: '' };
      current.children.push(element);
      if (empty === undefined) open.push(element);
    }
  }
  const [root, ...more] = top.children;
  if (root === undefined || more.length > 0 || open.length > 0) throw s3Error('MalformedXML');
  return root;
}

/** The text of the only child of that name; undefined when there is none. Two of them are MalformedXML. */
export function childText(element: XmlElement, name: string): string | undefined {
  const found = element.children.filter((child) => child.name === name);
  if (found.length > 1 || found.some((child) => child.children.length > 0)) throw s3Error('MalformedXML');
  return found[0]?.text;
}
