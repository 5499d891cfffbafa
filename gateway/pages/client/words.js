/**
 * The text of a turn as it comes, for programs that print it.
 *
 * Rule: what has been printed cannot be taken back. Where the model was asked once more and says something else, its new answer
 * follows as a paragraph of its own. Whatever of the stream was missed comes with the step's end.
 */
export class Words {
  #step = null;
  #attempt = 0;
  #next = 0;
  #parts = [];
  #shown = '';
  #any = false;

  /** What the turn's text is longer by with this event; '' where there is nothing new. */
  take(event) {
    if (!['step.delta', 'step.snapshot', 'step.finished'].includes(event.type)) return '';
    if (event.step_id !== this.#step) this.#begin(event.step_id);
    if (event.type === 'step.finished') this.#parts = event.message.parts.map(textOfPart);
    else if (!this.#grow(event)) return '';
    return this.#more(this.#parts.join(''));
  }

  #begin(step) {
    this.#step = step;
    [this.#attempt, this.#next, this.#parts, this.#shown] = [0, 0, [], ''];
  }

  #grow({ type, attempt, n, part, parts, kind, delta }) {
    if (attempt < this.#attempt) return false;
    if (type === 'step.snapshot') this.#parts = parts.map(textOfPart);
    else {
      if (attempt > this.#attempt) [this.#parts, this.#next] = [[], 0];
      // After a gap, a snapshot or the step's end has it all.
      if (n !== this.#next) return false;
      if (kind === 'text') this.#parts[part] = (this.#parts[part] ?? '') + delta;
    }
    this.#attempt = attempt;
    this.#next = type === 'step.snapshot' ? n : n + 1;
    return true;
  }

  #more(text) {
    const goesOn = text.startsWith(this.#shown);
    // An attempt that begins anew says nothing for a moment.
    if (!goesOn && this.#shown.startsWith(text)) return '';
    const fresh = goesOn ? text.slice(this.#shown.length) : text;
    const apart = fresh && this.#any && (!goesOn || !this.#shown) ? '\n\n' : '';
    this.#shown = text;
    this.#any ||= fresh !== '';
    return apart + fresh;
  }
}

const textOfPart = ({ type, text }) => (type === 'text' ? text : '');
