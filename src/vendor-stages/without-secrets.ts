/** Shorter ones would also hit words that are none. */
const SHORTEST = 4;

/** A stage's text with its secrets made unreadable, in the forms in which they are likely to slip in. */
export function withoutSecrets(text: string, secrets: Readonly<Record<string, Uint8Array>>): string {
  let clean = text;
  for (const secret of Object.values(secrets)) {
    const bytes = Buffer.from(secret.buffer, secret.byteOffset, secret.byteLength);
    const plain = bytes.toString('utf8');
    for (const form of [plain, plain.trim(), bytes.toString('hex'), bytes.toString('base64')])
      if (form.length >= SHORTEST) clean = clean.replaceAll(form, '…');
  }
  return clean;
}
