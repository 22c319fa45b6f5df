// Reads an OpenAPI document and a list of answers from files; ends with 0 if a
// public validator accepts the document, and if its examples and the answers
// are what its schemas say, without members that it does not know.
//
// usage: validate.js DOCUMENT ANSWERS

import { readFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const document = JSON.parse(readFileSync(process.argv[2], "utf8"));
const problems = [];

const validator = new Validator();
const result = await validator.validate(structuredClone(document));
if (!result.valid)
    problems.push(JSON.stringify(result.errors, null, 2));
else if (validator.version !== "3.1")
    problems.push("it was taken for OpenAPI " + validator.version);

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addSchema(document, "sync");
const pointer = (...keys) =>
    "sync#/" + keys.map((key) => encodeURIComponent(
        String(key).replaceAll("~", "~0").replaceAll("/", "~1"))).join("/");

let examples = 0;
function checkExamples(media, ...keys) {
    for (const [name, example] of Object.entries(media.examples ?? {})) {
        const check = ajv.getSchema(pointer(...keys, "schema"));
        examples++;
        if (!check(example.value))
            problems.push(keys.join(" ") + " " + name + ": " + ajv.errorsText(check.errors));
    }
}

for (const [path, item] of Object.entries(document.paths))
    for (const [verb, operation] of Object.entries(item)) {
        const json = ["content", "application/json"];
        const body = operation.requestBody?.content["application/json"];
        const answer = operation.responses["200"].content["application/json"];
        if (body)
            checkExamples(body, "paths", path, verb, "requestBody", ...json);
        if (answer)
            checkExamples(answer, "paths", path, verb, "responses", "200", ...json);
    }
// Everything that is not said to be open is closed, so that no member is missed.
function close(schema) {
    if (Array.isArray(schema))
        schema.forEach(close);
    else if (schema !== null && typeof schema === "object") {
        Object.values(schema).forEach(close);
        if (schema.properties !== undefined)
            schema.additionalProperties = false;
    }
}
const closed = structuredClone(document);
for (const item of Object.values(closed.paths))
    for (const operation of Object.values(item))
        close(operation.responses);
close(closed.components.schemas);
ajv.addSchema(closed, "closed");
for (const { path, verb, status, body } of JSON.parse(readFileSync(process.argv[3], "utf8"))) {
    const operation = closed.paths[path][verb];
    const key = operation.responses[status] ? String(status) : "default";
    const answer = operation.responses[key];
    const check = answer.$ref
        ? ajv.getSchema("closed#/components/schemas/Error")
        : ajv.getSchema(pointer("paths", path, verb, "responses", key, "content",
                                "application/json", "schema").replace("sync#", "closed#"));
    if (!check(body))
        problems.push(verb + " " + path + ": " + ajv.errorsText(check.errors) + " in " +
                      JSON.stringify(body));
}

if (examples < 11)
    problems.push("only " + examples + " examples");

console.log(problems.join("\n") || "valid, with " + examples + " examples");
process.exit(problems.length === 0 ? 0 : 1);
