// Follows a session's events with the real `eventsource` until the server says that there are no more.
//
//   node follow.mjs URL TYPE...
//
// Each event of these types is printed as a line of JSON, {id, type, data}; the last line is {closed: status}.
import { EventSource } from "eventsource";

const [url, ...types] = process.argv.slice(2);
const source = new EventSource(url);
// The client's timer for coming again does not keep Node alive.
const alive = setInterval(() => {}, 1000);

for (const type of types) {
  source.addEventListener(type, (event) => {
    console.log(JSON.stringify({ id: event.lastEventId, type: event.type, data: JSON.parse(event.data) }));
  });
}
source.addEventListener("error", (event) => {
  if (source.readyState === EventSource.CLOSED) {
    console.log(JSON.stringify({ closed: event.code ?? null }));
    clearInterval(alive);
  }
});
