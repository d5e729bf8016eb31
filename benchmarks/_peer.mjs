// The best library of others, npm `mtn-momo`: pays like _contestants.py, prints the same figures.
// node _peer.mjs '{"url": ..., "payouts": ..., "in_flight": ..., "peers": FOLDER}'
import { createRequire } from "node:module";
import { randomUUID } from "node:crypto";

const run = JSON.parse(process.argv[2]);
const momo = createRequire(run.peers + "/")("mtn-momo");
const { Disbursements } = momo.create({ callbackHost: "localhost", baseUrl: run.url });
const client = Disbursements({ userId: randomUUID(), userSecret: "0".repeat(32), primaryKey: "0".repeat(32) });

async function pay(number) {
  const id = await client.transfer({
    amount: "15", currency: "EUR", externalId: `payout-${number}`, payerMessage: "salary november",
    payeeNote: "salary november", payee: { partyIdType: "MSISDN", partyId: "256772123456" },
  });
  const { status } = await client.getTransaction(id);
  if (status !== "SUCCESSFUL") throw new Error(`wrong answer: ${status}`);
}

let next = 0;
const work = async (end) => { while (next < end) await pay(next++); };
const workAll = (end) => Promise.all(Array.from({ length: run.in_flight }, () => work(end)));
await workAll(20 + run.in_flight);
next = 0;
const began = process.hrtime.bigint(), used = process.cpuUsage();
await workAll(run.payouts);
const wall_s = Number(process.hrtime.bigint() - began) / 1e9, { user, system } = process.cpuUsage(used);
console.log(JSON.stringify({ cpu_us: (user + system) / run.payouts, payouts_per_s: run.payouts / wall_s }));
process.exit(0);
