/** A message's text, changed in place: Enter saves, Shift and Enter makes a new line, Escape leaves it as it was. */
import { h } from '../shared/dom.js';
import { growing } from './growing_box.js';

const TALLEST = 320;

/**
 * `save(text)` may throw, and the form then says why and stays; `close(saved)` once it is saved or left. `yes`: the word on its button, `no` on
 * the other; `hint`: what an empty box says; `longest`: characters that it takes.
 */
export function editForm({ label, text, yes, no = 'Cancel', hint = null, longest = null, note = null, save, close }) {
  const area = h('textarea', { rows: 1, dir: 'auto', 'aria-label': label, placeholder: hint, maxlength: longest });
  const fit = growing(area, TALLEST);
  area.addEventListener('input', fit);
  area.value = text;
  const problem = h('p', { class: 'bad', role: 'alert' });
  const cancel = h('button', { type: 'button', class: 'text-button', onclick: () => close(false) }, no);
  const sure = h('button', { type: 'submit', class: 'button small primary' }, yes);
  const form = h('form', { class: 'edit-form' }, area, note, h('div', { class: 'edit-actions' }, problem, cancel, sure));

  async function submit(event) {
    event?.preventDefault();
    const said = area.value.trim();
    if (!said || sure.disabled) return;
    sure.disabled = true;
    problem.textContent = '';
    try {
      await save(said);
      close(true);
    } catch (error) {
      problem.textContent = error.message;
      sure.disabled = false;
    }
  }

  form.addEventListener('submit', submit);
  area.addEventListener('keydown', (event) => {
    if (event.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) submit(event);
    if (event.key !== 'Escape') return;
    // Escape stops the turn elsewhere on the page.
    event.stopPropagation();
    close(false);
  });
  /** Once the form is on the page. */
  form.begin = () => {
    fit();
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
  };
  return form;
}
