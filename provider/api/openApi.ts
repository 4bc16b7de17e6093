/** The API description that GET /openapi.json returns. A test compares it with the actual routes. */

const ERROR = { $ref: "#/components/schemas/Error" };
const json = (schema: object) => ({ "application/json": { schema } });
const ok = (description: string, schema: object = { type: "object" }) => ({
  200: { description, content: json(schema) },
  default: { description: "Refused, with the reason", content: json(ERROR) },
});
const bytes = (description: string, type: string) => ({
  200: { description, content: { [type]: {} } },
  default: { description: "Refused, with the reason", content: json(ERROR) },
});

const path = (name: string) => ({
  name,
  in: "path",
  required: true,
  schema: { type: "string" },
});
const query = (name: string, type: string) => ({ name, in: "query", schema: { type } });

const unsigned = (summary: string, responses: object, parameters: object[] = []) => ({
  summary,
  parameters,
  responses,
});
/** For the task's user alone. */
const signed = (summary: string, responses: object, parameters: object[] = []) => ({
  ...unsigned(summary, responses, [path("id"), ...parameters]),
  security: [{ signedRequest: [] }],
});
const withBytes = (operation: object) => ({
  ...operation,
  requestBody: { required: true, content: { "application/octet-stream": {} } },
});

const object = (properties: Record<string, object>) => ({
  type: "object",
  required: Object.keys(properties),
  properties,
});
const integer = { type: "integer" };
const text = { type: "string" };

export const OPEN_API = {
  openapi: "3.1.0",
  info: { title: "Anneal provider", version: "1.0.0" },
  paths: {
    "/healthz": { get: unsigned("Whether the process is alive", ok("Alive")) },
    "/readyz": { get: unsigned("Whether the provider is ready", ok("Ready")) },
    "/metrics": { get: unsigned("Metrics", bytes("For Prometheus", "text/plain")) },
    "/openapi.json": { get: unsigned("This document", ok("OpenAPI 3.1")) },
    "/v1/terms": { get: unsigned("What the provider registers on chain", ok("Terms")) },
    "/v1/models": { get: unsigned("Catalogue of models, as hashed on chain", ok("Catalogue")) },
    "/v1/models/{name}/tokenizer": {
      get: unsigned("Tokenizer of a model", ok("Tokenizer"), [path("name")]),
    },
    "/v1/models/{name}/usage": {
      get: unsigned("How to use a model", bytes("Archive", "application/zip"), [path("name")]),
    },
    "/v1/challenge": {
      get: unsigned("Proof that the endpoint holds the operator's key", ok("Signature"), [
        query("nonce", "string"),
      ]),
    },
    "/v1/queue": {
      get: unsigned(
        "How busy the provider is",
        ok(
          "Queue",
          object({
            accepting: { type: "boolean" },
            slots: integer,
            device: {},
            running: integer,
            waiting: integer,
            waitSeconds: {},
          }),
        ),
      ),
    },
    "/v1/tasks/{id}": { get: signed("Status of a task", ok("Status")) },
    "/v1/tasks/{id}/log": {
      get: signed("Log of the training", bytes("Lines", "text/plain"), [
        query("follow", "boolean"),
      ]),
    },
    "/v1/tasks/{id}/events": {
      get: signed("Events of the training", bytes("Lines of JSON", "application/x-ndjson"), [
        query("follow", "boolean"),
        query("after", "integer"),
      ]),
    },
    "/v1/tasks/{id}/secrets": { put: withBytes(signed("Store sealed secrets", ok("Stored"))) },
    "/v1/tasks/{id}/cancellation": {
      get: signed(
        "Amount due if the running task stops now",
        ok("Offer", object({ id: text, amount: text, fee: text, until: integer })),
      ),
      put: withBytes(signed("Consent to stop the running task for that amount", ok("Accepted"))),
    },
  },
  components: {
    schemas: { Error: object({ code: text, message: text, hint: text }) },
    securitySchemes: {
      signedRequest: {
        type: "apiKey",
        in: "header",
        name: "Authorization",
        description:
          "Anneal <base64url of the JSON {deadline, nonce, signature}>: an EIP-712 signature over method, path, body hash, deadline and nonce",
      },
    },
  },
} as const;
