/** The browser's tab: its title and icon say whether the session works or waits for a person. */

const WORDS = { waiting: 'Needs you', working: 'Working' };
const COLOURS = { waiting: '#d08a1a', working: '#3fae8f' };
const ICON = document.querySelector('link[rel="icon"]');
const PLAIN = ICON?.href;

/** `title`: of the session; '' for a new one. */
export function drawTab(title, status) {
  document.title = [WORDS[status], title, 'Perdure'].filter(Boolean).join(' · ');
  const href = COLOURS[status] ? badged(COLOURS[status]) : PLAIN;
  if (ICON && ICON.href !== href) ICON.href = href;
}

function badged(colour) {
  const badge = `<circle cx='18' cy='6' r='5.5' fill='${colour}' stroke='white' stroke-width='1.5'/>`;
  return PLAIN.replace('%3C/svg%3E', `${encodeURIComponent(badge)}%3C/svg%3E`);
}
