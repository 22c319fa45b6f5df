// The interop cases by grpc-js:
//
//   node js_client.js PROTOS ADDRESS [CA]
//
// runs them all and says of each how it went, on a line of its own.
//
// It does not tell whether a message came compressed; that half of the
// compression cases is other clients'.
"use strict";
const assert = require("assert");
const fs = require("fs");
const grpc = require("@grpc/grpc-js");
const { load, payload, requestSizes, responseSizes, largeRequest, largeResponse } =
  require("./js_messages.js");

const [protos, address, ca] = process.argv.slice(2);
const testing = load(protos);
const NO_COMPRESS = 2; // of grpc's write flags
const SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \u{1f608}\t\n";

const credentials = ca
  ? grpc.credentials.createSsl(fs.readFileSync(ca))
  : grpc.credentials.createInsecure();

function open(options, service = testing.TestService) {
  return new service(address, credentials, options || {});
}

// A unary call's outcome: { error, response, initial, status }.
function ask(client, method, request, metadata = new grpc.Metadata()) {
  return new Promise((tell) => {
    const outcome = {};
    const call = client[method](request, metadata, (error, response) => {
      outcome.error = error;
      outcome.response = response;
      if (outcome.status) tell(outcome);
    });
    call.on("metadata", (initial) => (outcome.initial = initial));
    call.on("status", (status) => {
      outcome.status = status;
      if (outcome.response || outcome.error) tell(outcome);
    });
  });
}

async function expectLarge(client, fields = {}, method = "UnaryCall") {
  const request = { payload: payload(largeRequest), response_size: largeResponse, ...fields };
  const { error, response } = await ask(client, method, request);
  if (error) throw error;
  assert.strictEqual(response.payload.body.length, largeResponse);
}

// All answers of a stream, and its status, which may come before a slow reader
// has them all; rejects with it unless it is OK.
function drain(call) {
  const outcome = { sizes: [] };
  call.on("metadata", (initial) => (outcome.initial = initial));
  call.on("data", (response) => outcome.sizes.push(response.payload.body.length));
  const end = new Promise((resolve) => call.on("end", resolve));
  const status = new Promise((resolve, reject) => {
    call.on("error", reject);
    call.on("status", (told) => {
      outcome.status = told;
      if (told.code === grpc.status.OK) resolve();
    });
  });
  return Promise.all([end, status]).then(() => outcome);
}

function outputRequest(sizes, fields = {}) {
  return { response_parameters: sizes.map((size) => ({ size })), ...fields };
}

async function fails(promise, code) {
  const error = await promise.then(() => assert.fail("it did not fail"), (e) => e);
  assert.strictEqual(error.code, code, String(error));
  return error;
}

function collect(client, write) {
  return new Promise((resolve, reject) => {
    const call = client.StreamingInputCall((error, response) =>
      error ? reject(error) : resolve(response.aggregated_payload_size));
    write(call);
    call.end();
  });
}

async function unimplemented(client) {
  const { error } = await ask(client, "UnimplementedCall", {});
  assert.strictEqual(error.code, grpc.status.UNIMPLEMENTED);
}

function customMetadata() {
  const metadata = new grpc.Metadata();
  metadata.set("x-grpc-test-echo-initial", "test_initial_metadata_value");
  metadata.set("x-grpc-test-echo-trailing-bin", Buffer.from("ababab", "hex"));
  return metadata;
}

function expectCustom(outcome) {
  assert.deepStrictEqual(outcome.initial.get("x-grpc-test-echo-initial"),
    ["test_initial_metadata_value"]);
  assert.deepStrictEqual(outcome.status.metadata.get("x-grpc-test-echo-trailing-bin"),
    [Buffer.from("ababab", "hex")]);
}

const gzip = { "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip };

const cases = {
  async empty_unary(client) {
    const { error } = await ask(client, "EmptyCall", {});
    assert.ifError(error);
  },
  large_unary: (client) => expectLarge(client),
  cacheable_unary: (client) => expectLarge(client, {}, "CacheableUnaryCall"),
  async client_compressed_unary(client) {
    const yes = { expect_compressed: { value: true } };
    await fails(expectLarge(client, yes), grpc.status.INVALID_ARGUMENT);
    await expectLarge(open(gzip), yes);
    await expectLarge(client, { expect_compressed: { value: false } });
  },
  async server_compressed_unary(client) {
    await expectLarge(client, { response_compressed: { value: true } });
    await expectLarge(client, { response_compressed: { value: false } });
  },
  async client_streaming(client) {
    const size = await collect(client, (call) =>
      requestSizes.forEach((each) => call.write({ payload: payload(each) })));
    assert.strictEqual(size, 74922);
  },
  async client_compressed_streaming(client) {
    const yes = { payload: payload(27182), expect_compressed: { value: true } };
    const no = { payload: payload(45904), expect_compressed: { value: false } };
    await fails(collect(client, (call) => call.write(yes)), grpc.status.INVALID_ARGUMENT);
    const size = await collect(open(gzip), (call) => {
      call.write(yes);
      call.write(no, NO_COMPRESS);
    });
    assert.strictEqual(size, 73086);
  },
  async server_streaming(client) {
    const { sizes } = await drain(client.StreamingOutputCall(outputRequest(responseSizes)));
    assert.deepStrictEqual(sizes, responseSizes);
  },
  async server_compressed_streaming(client) {
    const request = outputRequest([31415, 92653]);
    request.response_parameters[0].compressed = { value: true };
    request.response_parameters[1].compressed = { value: false };
    const { sizes } = await drain(client.StreamingOutputCall(request));
    assert.deepStrictEqual(sizes, [31415, 92653]);
  },
  async ping_pong(client) {
    const call = client.FullDuplexCall();
    let turn = 0;
    const next = () => {
      if (turn === responseSizes.length) return call.end();
      call.write(outputRequest([responseSizes[turn]], { payload: payload(requestSizes[turn]) }));
      turn += 1;
    };
    call.on("data", next);
    next();
    const { sizes } = await drain(call);
    assert.deepStrictEqual(sizes, responseSizes);
  },
  async half_duplex(client) {
    const call = client.HalfDuplexCall();
    responseSizes.forEach((size) => call.write(outputRequest([size])));
    call.end();
    assert.deepStrictEqual((await drain(call)).sizes, responseSizes);
  },
  async empty_stream(client) {
    const call = client.FullDuplexCall();
    call.end();
    assert.deepStrictEqual((await drain(call)).sizes, []);
  },
  async timeout_on_sleeping_server(client) {
    const call = client.FullDuplexCall({ deadline: Date.now() + 1 });
    const request = outputRequest([31415], { payload: payload(27182) });
    request.response_parameters[0].interval_us = 10 * 1000 * 1000;
    call.write(request);
    await fails(drain(call), grpc.status.DEADLINE_EXCEEDED);
  },
  async cancel_after_begin(client) {
    const over = new Promise((resolve, reject) => {
      const call = client.StreamingInputCall((error) => (error ? reject(error) : resolve()));
      call.cancel();
    });
    await fails(over, grpc.status.CANCELLED);
  },
  async cancel_after_first_response(client) {
    const call = client.FullDuplexCall();
    call.write(outputRequest([31415], { payload: payload(27182) }));
    call.on("data", () => call.cancel());
    await fails(drain(call), grpc.status.CANCELLED);
  },
  async custom_metadata(client) {
    const request = { payload: payload(largeRequest), response_size: largeResponse };
    expectCustom(await ask(client, "UnaryCall", request, customMetadata()));
    const call = client.FullDuplexCall(customMetadata());
    call.write(outputRequest([largeResponse], { payload: payload(largeRequest) }));
    call.end();
    expectCustom(await drain(call));
  },
  async status_code_and_message(client) {
    const response_status = { code: 2, message: "test status message" };
    const unary = await fails(expectLarge(client, { response_status }), grpc.status.UNKNOWN);
    assert.strictEqual(unary.details, response_status.message);
    const call = client.FullDuplexCall();
    call.write(outputRequest([], { response_status }));
    call.end();
    const duplex = await fails(drain(call), grpc.status.UNKNOWN);
    assert.strictEqual(duplex.details, response_status.message);
  },
  async special_status_message(client) {
    const response_status = { code: 2, message: SPECIAL };
    const error = await fails(expectLarge(client, { response_status }), grpc.status.UNKNOWN);
    assert.strictEqual(error.details, SPECIAL);
  },
  unimplemented_method: unimplemented,
  unimplemented_service: () => unimplemented(open({}, testing.UnimplementedService)),
  async slow_consumer(client) {
    const call = client.StreamingOutputCall(outputRequest(new Array(2000).fill(1030)));
    call.on("data", () => {
      call.pause();
      setImmediate(() => call.resume());
    });
    assert.strictEqual((await drain(call)).sizes.length, 2000);
  },
  async rpc_soak(client) {
    for (let i = 0; i < 100; i++) await expectLarge(client);
  },
  async channel_soak() {
    for (let i = 0; i < 10; i++) {
      const client = open({ "grpc.use_local_subchannel_pool": 1 });
      await expectLarge(client);
      client.close();
    }
  },
};

async function main() {
  for (const [name, run] of Object.entries(cases)) {
    try {
      await run(open());
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(`failed ${name} ${JSON.stringify(String(error.stack))}`);
    }
  }
  process.exit(0);
}

main();
