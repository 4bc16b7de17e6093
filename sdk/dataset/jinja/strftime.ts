import { TemplateError } from "./values.ts";

/**
 * The day that templates write as today's, so that counts and training do not depend on the day: the one that Llama 3's
 * own template falls back on. The trainer has the same.
 */
const TODAY = new Date(Date.UTC(2024, 6, 26));

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

const two = (number: number): string => String(number).padStart(2, "0");

const DIRECTIVES: Readonly<Record<string, (date: Date) => string>> = {
  "%": () => "%",
  "-d": (date) => String(date.getUTCDate()),
  "-m": (date) => String(date.getUTCMonth() + 1),
  A: (date) => DAYS[date.getUTCDay()]!,
  B: (date) => MONTHS[date.getUTCMonth()]!,
  F: (date) => date.toISOString().slice(0, 10),
  H: (date) => two(date.getUTCHours()),
  I: (date) => two(date.getUTCHours() % 12 || 12),
  M: (date) => two(date.getUTCMinutes()),
  S: (date) => two(date.getUTCSeconds()),
  T: (date) => date.toISOString().slice(11, 19),
  Y: (date) => String(date.getUTCFullYear()),
  a: (date) => DAYS[date.getUTCDay()]!.slice(0, 3),
  b: (date) => MONTHS[date.getUTCMonth()]!.slice(0, 3),
  d: (date) => two(date.getUTCDate()),
  e: (date) => String(date.getUTCDate()).padStart(2, " "),
  m: (date) => two(date.getUTCMonth() + 1),
  p: (date) => (date.getUTCHours() < 12 ? "AM" : "PM"),
  y: (date) => two(date.getUTCFullYear() % 100),
};

/** The fixed day as Python's strftime formats it in English. */
export function strftimeNow(format: string): string {
  return format.replace(/%(-?.|$)/gs, (_, directive: string) => {
    const write = Object.hasOwn(DIRECTIVES, directive) ? DIRECTIVES[directive] : undefined;
    if (!write) throw new TemplateError(`the date format %${directive} is not supported`);
    return write(TODAY);
  });
}
