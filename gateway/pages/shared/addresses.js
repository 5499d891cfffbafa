/** Where the pages show a session. */

/** On the chat page. */
export const chatAddress = (sessionId) => `/chat/${encodeURIComponent(sessionId)}`;
