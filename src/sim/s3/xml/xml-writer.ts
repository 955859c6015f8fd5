/** Escape text for an XML element. Control characters become references, as AWS writes them. */
export function escapeXml(text: string): string {
  let out = '';
  let from = 0;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    const entity =
      ENTITIES[text[i] ?? ''] ??
      (code < 0x20 && code !== 0x09 && code !== 0x0a ? `&#x${code.toString(16)};` : undefined);
    if (entity === undefined) continue;
    out += text.slice(from, i) + entity;
    from = i + 1;
  }
  return from === 0 ? text : out + text.slice(from);
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

/** One child of an element: a leaf with text, an element with children; undefined is left out. */
export type XmlValue = string | number | boolean | XmlChildren;
export type XmlChildren = readonly (readonly [name: string, value: XmlValue | undefined])[];

function write(children: XmlChildren): string {
  let out = '';
  for (const [name, value] of children) {
    if (value === undefined) continue;
    out += `<${name}>${typeof value === 'object' ? write(value) : escapeXml(String(value))}</${name}>`;
  }
  return out;
}

/** A whole answer document. `namespaced` adds the S3 namespace; error documents go without. */
export function xmlDocument(root: string, value: XmlValue, namespaced = true): string {
  const open = namespaced ? `<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` : `<${root}>`;
  const body = typeof value === 'object' ? write(value) : escapeXml(String(value));
  return `<?xml version="1.0" encoding="UTF-8"?>\n${open}${body}</${root}>`;
}
