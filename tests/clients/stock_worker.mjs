// A worker in TypeScript's SDK that is not Perdure's: `node stock_worker.mjs ADDRESS QUEUE`.
import { ApplicationFailure } from "@temporalio/activity";
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
};
const worker = await Worker.create({ connection, taskQueue, activities });
console.log("ready");
await worker.run();
