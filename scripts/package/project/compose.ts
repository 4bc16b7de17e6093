import { tasks } from "hardhat";

/** A program that runs a command as a task gets its result. */
const account = await tasks.getTask(["anneal", "get-account"]).run({ json: false });
console.log(
  JSON.stringify(account, (_, value) => (typeof value === "bigint" ? `${value}` : value)),
);
