// A worker in TypeScript's SDK that is not Perdure's: `node stock_worker.mjs ADDRESS QUEUE`.
import { existsSync, readFileSync } from "node:fs";
import { ApplicationFailure, Context } from "@temporalio/activity";
import { NativeConnection, Worker } from "@temporalio/worker";

const [address, taskQueue] = process.argv.slice(2);
const connection = await NativeConnection.connect({ address });
const activities = {
  async find_stock({ product }) {
    return { product, pieces: 9 };
  },
  async no_stock() {
    throw ApplicationFailure.nonRetryable("sold out", "sold_out");
  },
  // Tells how far it is, as the file `shelf` has it.
  async count_stock({ ledger }) {
    while (!existsSync(`${ledger}/go`)) {
      Context.current().heartbeat({ message: readFileSync(`${ledger}/shelf`, "utf8"), fraction: 0.5 });
      await Context.current().sleep(100);
    }
    return "counted";
  },
};
const worker = await Worker.create({ connection, taskQueue, activities, maxHeartbeatThrottleInterval: 200 });
console.log("ready");
await worker.run();
