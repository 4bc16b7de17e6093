/** How to make a dataset from a file in another format, as parameters of convertDataset. */
export interface Conversion {
  readonly from: "sharegpt" | "alpaca" | "columns" | "array";
  /** For "columns": field of the dataset → column of the file, if they are known. */
  readonly columns?: Readonly<Record<string, string>>;
}

/** What a file is that is not a dataset, but can become one. */
export type ForeignFile =
  | { readonly what: "compressed"; readonly method: "gzip" | "zstd" | "bzip2" | "xz" }
  /** A zip archive with a file of rows. */
  | { readonly what: "zip"; readonly entry: string }
  | { readonly what: "workbook" }
  | { readonly what: "utf-16"; readonly encoding: "UTF-16" | "UTF-16LE" | "UTF-16BE" }
  /** A dataset whose name does not end in its format. */
  | { readonly what: "misnamed"; readonly ending: "jsonl" | "csv" | "tsv" | "parquet" }
  /** A JSON object with the rows as a list under a key. */
  | { readonly what: "nested"; readonly key: string }
  /**
   * `form`: what is different. JSON objects over several lines are "objects"; "extra" means that a dataset has other
   * keys, too.
   */
  | {
      readonly what: "convertible";
      readonly form: "array" | "objects" | "csv" | "tsv" | "parquet" | "extra" | Conversion["from"];
      readonly conversion: Conversion;
      readonly extra?: readonly string[];
    };

/** What a foreign file is, as the end of a sentence that starts with the file. */
export function describeForeign(foreign: ForeignFile): string {
  switch (foreign.what) {
    case "compressed":
      return `is compressed with ${foreign.method}`;
    case "zip":
      return `is a zip archive that contains ${foreign.entry}`;
    case "workbook":
      return "is an Excel workbook";
    case "utf-16":
      return `is ${foreign.encoding} text, not UTF-8`;
    case "misnamed":
      return `is ${ENDINGS[foreign.ending]}, but its name does not end in .${foreign.ending}`;
    case "nested":
      return `is one JSON object with its rows under the key ${JSON.stringify(foreign.key)}`;
    case "convertible":
      return describeForm(foreign);
  }
}

const ENDINGS = {
  jsonl: "JSON lines",
  csv: "comma-separated",
  tsv: "tab-separated",
  parquet: "a parquet file",
} as const;

function describeForm({
  form,
  conversion,
  extra = [],
}: ForeignFile & { readonly what: "convertible" }): string {
  switch (form) {
    case "array":
      return "is a JSON array, not one JSON object on each line";
    case "objects":
      return "has JSON objects over several lines or several on one, not one on each line";
    case "csv":
      return "is comma-separated, not one JSON object on each line";
    case "tsv":
      return "is tab-separated, not one JSON object on each line";
    case "parquet":
      return "is a parquet file of texts, not of token ids";
    case "sharegpt":
      return "has conversations in the format of ShareGPT";
    case "alpaca":
      return "has rows in the format of Alpaca with other keys than instruction, input and output";
    case "extra":
      return `has keys that are not part of its format: ${extra.join(", ")}`;
    case "columns":
      return describeColumns(conversion.columns ?? {});
  }
}

function describeColumns(columns: Readonly<Record<string, string>>): string {
  const renamed = Object.entries(columns).filter(([field, column]) => field !== column);
  const list = (names: readonly string[]) => names.join(names.length > 2 ? ", " : " and ");
  return `has the columns ${list(renamed.map(([, column]) => column))}, not ${list(renamed.map(([field]) => field))}`;
}

/** What to do with a foreign file. */
export function remedyOf(foreign: ForeignFile): string {
  switch (foreign.what) {
    case "compressed":
    case "zip":
      return "Unpack it.";
    case "workbook":
      return "Save its sheet as CSV UTF-8, then convert that file.";
    case "utf-16":
      return "Save it as UTF-8.";
    case "misnamed":
      return "Rename it.";
    case "nested":
      return "Write each row on a line.";
    case "convertible":
      return "Convert it.";
  }
}
