/** What can be done with a session of the list: a new name in its place, and closing it, which is asked again. */
import { byId, h } from '../shared/dom.js';
import { notice } from './notice.js';
import { nameOf } from './sidebar_row.js';

export class SidebarMenu {
  #box = h('div', { class: 'menu', popover: 'auto', role: 'group' });

  /** `change(sessionId, changes)` takes in what was done; `onNamed(sessionId)`: the server knows the new name. */
  constructor({ client, change, onNamed }) {
    Object.assign(this, { client, change, onNamed });
    byId('sidebar').append(this.#box);
  }

  /** Shows it for `entry` at the button that asked for it, which gets the focus back. */
  show = (entry, button) => {
    const row = button.closest('li');
    this.#box.setAttribute('aria-label', nameOf(entry));
    this.#fill(
      choice('Rename', () => (this.#box.hidePopover(), this.#rename(entry, row))),
      choice('Close…', () => this.#ask(entry), 'danger'),
    );
    this.#box.showPopover();
    place(this.#box, button);
    this.#box.querySelector('button').focus();
  };

  #fill(...nodes) {
    this.#box.replaceChildren(...nodes);
  }

  #ask(entry) {
    this.#fill(
      h('p', {}, 'A closed session takes no more messages. What was said stays.'),
      choice('Close it', () => (this.#box.hidePopover(), this.#close(entry)), 'danger'),
      choice('Keep it open', () => this.#box.hidePopover()),
    );
    this.#box.querySelector('button:last-child').focus();
  }

  async #close({ session_id: id }) {
    try {
      await this.client.close(id);
      this.change(id, { status: 'closed' });
    } catch (error) {
      notice(`The session could not be closed. ${error.message}`);
    }
  }

  #rename(entry, row) {
    const [link] = row.children;
    const box = h('input', { class: 'rename', type: 'text', maxlength: 100, dir: 'auto', 'aria-label': 'New name', autocomplete: 'off' });
    box.value = nameOf(entry);
    let over = false;
    const end = (keep) => {
      if (over) return;
      over = true;
      const focused = document.activeElement === box;
      const title = box.value.trim();
      box.remove();
      row.classList.remove('renamed');
      if (focused) link.focus();
      if (keep && title && title !== nameOf(entry)) this.#name(entry, title);
    };
    box.addEventListener('keydown', (event) => {
      if (event.isComposing || !['Enter', 'Escape'].includes(event.key)) return;
      event.preventDefault();
      end(event.key === 'Enter');
    });
    box.addEventListener('blur', () => end(true));
    row.classList.add('renamed');
    row.append(box);
    box.focus();
    box.select();
  }

  async #name({ session_id: id, named }, title) {
    this.change(id, { named: title });
    try {
      await this.client.configure(id, { title });
      this.onNamed(id);
    } catch (error) {
      this.change(id, { named });
      notice(`The session could not be renamed. ${error.message}`);
    }
  }
}

function choice(words, onclick, more = '') {
  return h('button', { type: 'button', class: `menu-item ${more}`, onclick }, words);
}

/** Below the button, or above it where there is no room. */
function place(box, button) {
  const { left, top, bottom } = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = box;
  box.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
  box.style.top = `${bottom + height + 8 > innerHeight ? Math.max(8, top - height - 4) : bottom + 4}px`;
}
