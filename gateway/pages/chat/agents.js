/** The agents of this server, read until they are known, and again while a new chat is shown: their files may change. */

const FIRST_MS = 500;
const SLOWEST_MS = 4000;
const AGAIN_MS = 2000;

/** `onChange(answer)` with what the server says of its agents, whenever that is something else. Never returns. */
export async function followAgents(client, isShown, onChange) {
  let last = null;
  for (let pause = FIRST_MS; ; await new Promise((resolve) => setTimeout(resolve, pause))) {
    if (last !== null && !isShown()) continue;
    try {
      const answer = await client.agents();
      const text = JSON.stringify(answer);
      if (text !== last) onChange(answer);
      last = text;
      pause = AGAIN_MS;
    } catch {
      pause = Math.min(pause * 2, SLOWEST_MS);
    }
  }
}
