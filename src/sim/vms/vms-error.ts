/**
 * Error answers of VMS. Real ones come in several shapes, and which call gives which is not
 * documented; clients have to read all of them, so the simulator uses all of them.
 */
export class VmsError extends Error {
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, body: unknown) {
    super(`VMS answers ${status}`);
    this.name = 'VmsError';
    this.status = status;
    this.body = body;
  }
}

/** `{"detail": "…"}`, as Django REST framework writes it. */
export function detailError(status: number, detail: string, more: Readonly<Record<string, unknown>> = {}): VmsError {
  return new VmsError(status, { detail, ...more });
}

/** `["…"]`. */
export function listError(text: string, status = 400): VmsError {
  return new VmsError(status, [text]);
}

/** `"…"`. */
export function textError(text: string, status = 400): VmsError {
  return new VmsError(status, text);
}

/** `{"field": ["…"]}`. */
export function fieldError(field: string, text: string): VmsError {
  return new VmsError(400, { [field]: [text] });
}

/** `{"policy_id": ["Invalid pk …"]}`. */
export function invalidReference(field: string, id: unknown): VmsError {
  return fieldError(field, `Invalid pk "${id}" - object does not exist.`);
}

export function notFound(): VmsError {
  return detailError(404, 'Not found.');
}

export function forbidden(text = 'You do not have permission to perform this action.'): VmsError {
  return detailError(403, text, { code: 'permission_denied' });
}
