/** The left of the chat page, put together: the list of sessions, the menu of each, the search, and their keys. */
import { byId, icon } from '../shared/dom.js';
import { CONTROL } from './keys.js';
import { Sidebar } from './sidebar.js';
import { listenToArrows } from './sidebar_keys.js';
import { SidebarMenu } from './sidebar_menu.js';
import { SidebarSearch } from './sidebar_search.js';

/** `current`, `may`, `onDraw`: as `Sidebar` takes them; `onNamed(sessionId)`: once it bears a new name; `leave()` gives the focus to another place. → {sidebar, search} */
export function sessionsSide({ client, current, may, onDraw, onNamed, leave }) {
  const list = byId('sessions');
  const menu = new SidebarMenu({ client, change: (...given) => sidebar.change(...given), onNamed });
  const more = byId('more-sessions');
  const sidebar = new Sidebar({ client, list, more, current, menu: menu.show, may, onDraw, onSearch: (state) => search.tell(state) });
  const search = new SidebarSearch({ search: (words) => sidebar.search(words), list, leave });
  listenToArrows(byId('sidebar'), list);
  byId('open-search').append(icon('search'));
  byId('open-search').title = `Search sessions (${CONTROL} K)`;
  byId('new-chat').querySelector('.key').dataset.key = `${CONTROL} ⇧ O`;
  return { sidebar, search };
}
