/**
 * The box that messages are written in, and its keys: Enter sends, Ctrl or Cmd and Enter interrupts, ArrowUp in an empty box
 * brings back what was said last.
 *
 * Rule: nothing typed is lost. A draft outlives a reload, and is of the session that it was typed for; what is recalled never takes
 * the place of a draft.
 */
import { byId } from '../shared/dom.js';
import { growing } from './growing_box.js';

const DRAFT = 'perdure.draft';
const TALLEST = 220;

export class Composer {
  /** Of what was said, what is in the box: 1 is the newest; 0: what is in the box was typed. */
  #recalled = 0;
  /** The session; null is the new chat. */
  #place = null;

  /** `send({interrupt})`; `said()` → what was said in this session, the newest last; `onChange()` after each change of the text. */
  constructor({ storage, send, said, onChange }) {
    Object.assign(this, { storage, send, said, onChange, box: byId('message') });
    this.grow = growing(this.box, TALLEST);
    this.box.addEventListener('keydown', (event) => this.#press(event));
    this.box.addEventListener('input', () => {
      this.restore(this.box.value);
    });
    byId('composer').addEventListener('submit', (event) => (event.preventDefault(), send({ interrupt: false })));
  }

  get text() {
    return this.box.value.trim();
  }

  /** Another session is shown, or null for a new chat. */
  open(place) {
    this.#place = place;
    this.#put(this.storage.getItem(this.#key) ?? '');
  }

  /** What was typed for the new chat goes with the session that it has become. */
  move(place) {
    const draft = this.storage.getItem(this.#key) ?? '';
    this.storage.removeItem(this.#key);
    this.#place = place;
    this.restore(draft);
  }

  /** Makes `text` the draft. */
  restore(text) {
    if (text) this.storage.setItem(this.#key, text);
    else this.storage.removeItem(this.#key);
    // A value that is set moves the cursor.
    if (text === this.box.value) this.#typed();
    else this.#put(text);
  }

  get #key() {
    return this.#place === null ? DRAFT : `${DRAFT}.${this.#place}`;
  }

  #put(text) {
    this.box.value = text;
    this.#typed();
  }

  #typed() {
    this.#recalled = 0;
    this.#fit();
  }

  /** The text, which is no longer in the box. */
  take() {
    const { text } = this;
    this.restore('');
    return text;
  }

  focus() {
    this.box.focus();
  }

  /** `barred`: whoever is signed in may not write here; `sendable`: something besides the text can be sent. */
  draw({ closed, gone, barred, sendable }) {
    const { box } = this;
    box.disabled = closed || gone || barred;
    const reason = closed ? 'This session is closed' : gone ? 'This session cannot be opened' : barred && 'You may not write here';
    box.placeholder = reason || 'Write a message';
    byId('attach').disabled = box.disabled;
    byId('send').disabled = box.disabled || !(this.text || sendable);
  }

  #press(event) {
    // While an input method composes, its keys pick words.
    if (event.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.send({ interrupt: event.ctrlKey || event.metaKey });
    } else if (event.key === 'ArrowUp') this.#recall(event, 1);
    else if (event.key === 'ArrowDown') this.#recall(event, -1);
  }

  #recall(event, by) {
    if (this.box.value && !this.#recalled) return;
    const said = this.said();
    const next = this.#recalled + by;
    if (next < 0 || next > said.length || (!next && !this.#recalled)) return;
    event.preventDefault();
    this.#put(next ? said.at(-next) : '');
    this.#recalled = next;
    this.box.setSelectionRange(this.box.value.length, this.box.value.length);
  }

  #fit() {
    this.grow();
    this.onChange();
  }
}
