/** Moving through the timeline: rows, turns, and places that may not have been loaded yet. */

/** Pixels from the end that still count as the end. */
const NEAR_END = 60;

export class Walk {
  #follows = true;

  /** `scroll`: what scrolls; `timeline`: what holds the turns. */
  constructor({ scroll, timeline }) {
    Object.assign(this, { scroll, timeline });
    scroll.addEventListener('scroll', () => (this.#follows = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_END));
    // What is drawn anew, or measured only when it comes into sight, does not push the end away.
    new ResizeObserver(() => this.#follows && this.toEnd()).observe(timeline);
  }

  /** Goes to the newest turn, and stays there while more come. */
  toEnd() {
    this.#follows = true;
    this.scroll.scrollTop = this.scroll.scrollHeight;
  }

  /** The end is no longer of interest: a link names another place. */
  leaveEnd() {
    this.#follows = false;
  }

  /** Keeps the row of a step in sight while what stands around it changes its size. */
  keep({ stepId }) {
    this.leaveEnd();
    const row = this.timeline.querySelector(`[data-step="${CSS.escape(stepId)}"]`);
    if (row) this.#bring(row, 'nearest');
  }

  /** → the row of a call or a step, or else the turn, null where none of them is drawn. `exact`: no turn in place of a row. */
  find({ turnId, stepId, callId }, { exact = false } = {}) {
    const found = (name, id) => (id ? this.timeline.querySelector(`[data-${name}="${CSS.escape(id)}"]`) : null);
    return found('call', callId) ?? found('step', stepId) ?? (exact && stepId ? null : found('turn', turnId));
  }

  /** Shows what `find` finds, and marks it for a moment. */
  show(place, { focus = false } = {}) {
    const node = this.find(place);
    if (!node) return;
    this.leaveEnd();
    this.#bring(node, node.matches('.turn') ? 'start' : 'center');
    if (focus) node.focus({ preventScroll: true });
    node.classList.remove('found');
    // Begins the animation anew.
    void node.offsetWidth;
    node.classList.add('found');
  }

  /** Focuses the next row, or the one before. → it, or null at an end. `selected`: the step that is open. */
  row(by, selected) {
    const rows = [...this.timeline.querySelectorAll('button.row')];
    const here = document.activeElement.closest('button.row') ?? (selected && rows.find(({ dataset }) => dataset.step === selected));
    const row = here ? rows[rows.indexOf(here) + by] : this.#inSight(rows);
    return row ? this.#focus(row, 'nearest') : null;
  }

  /** The same of turns; a turn without rows is focused itself. */
  turn(by, selected) {
    const turns = [...this.timeline.querySelectorAll('.turn[data-turn]')];
    const open = selected && this.timeline.querySelector(`[data-step="${CSS.escape(selected)}"]`);
    const here = document.activeElement.closest('.turn') ?? open?.closest('.turn');
    const turn = here ? turns[turns.indexOf(here) + by] : this.#inSight(turns);
    if (!turn) return null;
    turn.scrollIntoView({ block: 'nearest' });
    return this.#focus(turn.querySelector('button.row') ?? turn, 'nearest');
  }

  /** The step ids of all rows, in order. */
  steps() {
    return [...new Set([...this.timeline.querySelectorAll('button.row')].map(({ dataset }) => dataset.step))];
  }

  #focus(node, block) {
    node.focus({ preventScroll: true });
    this.#bring(node, block);
    return node;
  }

  /** Turns are measured when they come near, and only then is it known where the node is. */
  #bring(node, block) {
    const scroll = () => node.scrollIntoView({ block });
    scroll();
    requestAnimationFrame(() => requestAnimationFrame(scroll));
  }

  #inSight(nodes) {
    const { top, bottom } = this.scroll.getBoundingClientRect();
    const seen = nodes.filter((node) => node.getBoundingClientRect().top < bottom - NEAR_END);
    return seen.find((node) => node.getBoundingClientRect().top >= top) ?? seen.at(-1) ?? null;
  }
}
