// Numbers as people read them. Null is what nobody knows.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** @param {number | null} bytes */
export function size(bytes) {
  if (bytes === null) return '–';
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value.toFixed(0) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** @param {number} bytesPerSecond */
export const rate = (bytesPerSecond) => `${size(bytesPerSecond)}/s`;

/** @param {number} share */
export const percent = (share) => `${Math.round(share * 100)} %`;

/** @param {number} ms */
export function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

/** @param {string} iso */
export const time = (iso) => new Date(iso).toLocaleString();

/**
 * @param {string} began
 * @param {string | number} until
 */
export const between = (began, until) => duration(new Date(until).getTime() - new Date(began).getTime());
