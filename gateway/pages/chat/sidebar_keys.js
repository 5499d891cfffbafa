/** Arrow keys in the list of sessions, and from the search into it; Home and End go to its ends. */

const STEPS = { ArrowDown: 1, ArrowUp: -1 };

export function listenToArrows(sidebar, list) {
  sidebar.addEventListener('keydown', (event) => {
    const { target, key } = event;
    const links = [...list.querySelectorAll('li > a')];
    const here = links.indexOf(target.closest('li')?.querySelector('a'));
    const typing = target.matches('input');
    if (typing && !(target.type === 'search' && key === 'ArrowDown')) return;
    if (here < 0 && !typing) return;
    const to = key === 'Home' ? 0 : key === 'End' ? links.length - 1 : key in STEPS ? here + STEPS[key] : null;
    if (to === null || !links[to]) return;
    event.preventDefault();
    links[to].focus();
  });
}
