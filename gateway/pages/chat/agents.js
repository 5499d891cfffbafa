/** The agents of this server, read until they are known, and again while a new chat is shown: their files may change. */

const FIRST_MS = 500;
const SLOWEST_MS = 4000;
const AGAIN_MS = 2000;

/**
 * `mayRead()`: whether asking makes sense; `isShown()`: whether a change would be seen. `onChange(answer)` with what the server
 * says of its agents, whenever that is something else; `onRefused()` where it says nothing to whoever asks. Never returns.
 */
export async function followAgents(client, { mayRead, isShown, onChange, onRefused }) {
  let last = null;
  for (let pause = FIRST_MS; ; await new Promise((resolve) => setTimeout(resolve, pause))) {
    if (!mayRead() || (last !== null && !isShown())) continue;
    try {
      const answer = await client.agents();
      const text = JSON.stringify(answer);
      if (text !== last) onChange(answer);
      last = text;
      pause = AGAIN_MS;
    } catch (error) {
      if (error.status === 403) await onRefused();
      pause = Math.min(pause * 2, SLOWEST_MS);
    }
  }
}
