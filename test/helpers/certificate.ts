import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Creates a self-signed certificate in a folder. */
export function makeCertificate(folder: string, host: string): { key: string; cert: string } {
  const options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const files = ["-keyout", join(folder, "key"), "-out", join(folder, "cert")];
  const names = ["-subj", `/CN=${host}`, "-addext", `subjectAltName=DNS:${host}`, "-days", "2"];
  execFileSync("openssl", ["req", ...options, ...files, ...names], { stdio: "ignore" });
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  return { key: read("key"), cert: read("cert") };
}
