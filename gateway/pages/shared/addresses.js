/** Where the pages show a session. */

/** On the chat page. */
export const chatAddress = (sessionId) => `/chat/${encodeURIComponent(sessionId)}`;

/** In the inspector; `place`: {step} or {turn} to open it at. */
export function inspectorAddress(sessionId, place = {}) {
  const [[name, id] = []] = Object.entries(place);
  return `/sessions/${encodeURIComponent(sessionId)}${id ? `#${name}=${encodeURIComponent(id)}` : ''}`;
}
