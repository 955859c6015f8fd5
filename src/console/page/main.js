/** @import { Action, EndedImage, NewAction } from '../schemas.ts' */
import { ApiError, ask, live, token } from './api.js';
import { byId } from './dom.js';
import { showLive } from './live-views.js';
import { refreshRunning, showRunning } from './running-images.js';
import { showActions, showErrors, showEvents, showLsus, showRecent, showVips } from './table-views.js';

const EVERY_MS = 5_000;

const dialog = /** @type {HTMLDialogElement} */ (byId('token-dialog'));
const input = /** @type {HTMLInputElement} */ (byId('token-input'));
const form = /** @type {HTMLFormElement} */ (byId('action-form'));

const handlers = {
  check: (/** @type {EndedImage} */ { server, lsu, image_id }, /** @type {NewAction['kind']} */ kind) =>
    begin({ kind, server, lsu, image: image_id }),
  cancel: (/** @type {Action} */ { id }) => act(`/actions/${id}`, { method: 'DELETE' }),
};

/** @param {NewAction} action */
function begin(action) {
  act('/actions', { method: 'POST', body: action });
}

/**
 * @param {string} path
 * @param {{ method: string, body?: unknown }} options
 */
async function act(path, options) {
  try {
    const { kind, image, state } = await ask(path, options);
    say(`${kind} of ${image}: ${state}`);
    await refresh();
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    if (error instanceof ApiError && error.status === 401) openDialog();
  }
}

/** @param {string} text */
function say(text) {
  byId('action-answer').textContent = text;
}

/** @param {Error | undefined} problem */
function showConnection(problem) {
  const text = problem === undefined ? 'live' : `no picture: ${problem.message}`;
  const place = byId('connection');
  if (place.textContent !== text) place.textContent = text;
  place.classList.toggle('bad', problem !== undefined);
  if (problem instanceof ApiError && problem.status === 401 && token.get() === '') openDialog();
}

function openDialog() {
  if (dialog.open) return;
  input.value = '';
  // Escape leaves what an earlier answer put there.
  dialog.returnValue = '';
  dialog.showModal();
}

async function refresh() {
  const views = /** @type {const} */ ([
    ['/images', (/** @type {any} */ answer) => showRecent(answer, handlers)],
    ['/lsus', showLsus],
    ['/vips', showVips],
    ['/errors', showErrors],
    ['/actions', (/** @type {any} */ answer) => showActions(answer, handlers)],
    ['/events', showEvents],
  ]);
  const asked = views.map(async ([path, view]) => view(await ask(path)));
  const results = await Promise.allSettled([...asked, refreshRunning()]);
  const failed = results.find(({ status }) => status === 'rejected');
  const text = failed?.status === 'rejected' ? `Not all of this is of now: ${failed.reason.message}` : '';
  const place = byId('stale');
  if (place.textContent !== text) place.textContent = text;
}

/** Nobody looks at a hidden page. */
async function refreshForEver() {
  for (;;) {
    if (!document.hidden) await refresh();
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

byId('token-button').addEventListener('click', openDialog);
dialog.addEventListener('close', () => {
  if (dialog.returnValue === 'use') token.set(input.value.trim());
  else if (dialog.returnValue === 'forget') token.set('');
  else return;
  input.value = '';
  dispatchEvent(new Event('vast-ost-token'));
  refresh();
});
form.addEventListener('submit', (event) => {
  event.preventDefault();
  const fields = new FormData(form);
  const text = (/** @type {string} */ name) => String(fields.get(name) ?? '').trim();
  const kind = text('kind') === 'verify' ? 'verify' : 'restore-check';
  begin({ kind, server: text('server'), lsu: text('lsu'), image: text('image') });
});

live((state) => {
  showLive(state);
  showRunning(state);
}, showConnection);
refreshForEver();
