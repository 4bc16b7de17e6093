import { definePlugin } from "hardhat/plugins";
import type { HardhatPlugin } from "hardhat/types/plugins";
import type { TaskDefinition } from "hardhat/types/tasks";
import { commands, FAMILIES } from "../index.ts";
import { spelling } from "./spelling.ts";
import { toTasks } from "./toTask.ts";

const isFamily = ({ path }: { readonly path: readonly string[] }) => path[0]! in FAMILIES;

/** All commands below `npx hardhat anneal`, except the family `fine-tuning`, which has its own name. */
const tasks = [
  ...toTasks(
    commands.filter((each) => !isFamily(each)),
    { anneal: "Fine-tune models on other people's GPUs" },
    ["anneal"],
  ),
  ...toTasks(commands.filter(isFamily), FAMILIES),
];

/** `plugins: [anneal]` in the configuration of Hardhat. */
const anneal: HardhatPlugin = definePlugin({
  ...spelling,
  id: "anneal",
  npmPackage: "anneal",
  tasks,
});
export default anneal;

/** The same commands by their own names: `npx hardhat get-account`. For `tasks: [...flatTasks]` beside the plugin. */
export const flatTasks: TaskDefinition[] = toTasks(
  commands.filter((each) => !isFamily(each)),
  {},
);
