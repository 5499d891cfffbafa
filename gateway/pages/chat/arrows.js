/** The way between branches where they part: `‹ 2/3 ›`. */
import { h, icon } from '../shared/dom.js';

/** `place`: {siblings, current}, of branches; `rests`: the session does nothing; `actions`: {goTo(branch)} → whether it was done. */
export function arrows({ siblings, current }, { rests, actions }) {
  const step = (by, label, name) => {
    const to = siblings[current + by];
    const go = async ({ currentTarget: button }) => {
      button.disabled = true;
      if (!(await actions.goTo(to))) button.disabled = false;
    };
    const props = { type: 'button', class: `icon-button small ${name}`, 'aria-label': label, title: label };
    return h('button', { ...props, disabled: !to || !rests, onclick: go }, icon('chevron'));
  };
  const where = `${current + 1}/${siblings.length}`;
  return h(
    'span',
    { class: 'arrows', role: 'group', 'aria-label': `Branch ${where}` },
    step(-1, 'Earlier branch', 'back'),
    h('span', {}, where),
    step(1, 'Later branch', 'on'),
  );
}
