import { styleText } from "node:util";

export const title = (text: string) => console.log(`\n${styleText("bold", text)}`);
export const note = (text: string) => console.log(styleText("dim", text));
