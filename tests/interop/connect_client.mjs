// The interop cases by connect-node's gRPC transport:
//
//   node connect_client.mjs DESCRIPTORS ADDRESS [CA]
//
// runs them all and says of each how it went, on a line of its own.
import assert from "node:assert";
import fs from "node:fs";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { compressionGzip, createGrpcTransport } from "@connectrpc/connect-node";

const [descriptors, address, ca] = process.argv.slice(2);
const registry =
  createFileRegistry(fromBinary(FileDescriptorSetSchema, fs.readFileSync(descriptors)));
const requestSizes = [27182, 8, 1828, 45904];
const responseSizes = [31415, 9, 2653, 58979];
const special = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \u{1f608}\t\n";

function open(options = {}, service = "TestService") {
  const transport = createGrpcTransport({
    baseUrl: `${ca ? "https" : "http"}://${address}`,
    httpVersion: "2",
    nodeOptions: ca ? { ca: fs.readFileSync(ca) } : {},
    ...options,
  });
  return createClient(registry.getService(`grpc.testing.${service}`), transport);
}

const payload = (size) => ({ body: new Uint8Array(size) });

async function large(client, fields = {}, method = "unaryCall", options = {}) {
  const request = { payload: payload(271828), responseSize: 314159, ...fields };
  const response = await client[method](request, options);
  assert.strictEqual(response.payload.body.length, 314159);
}

async function fails(promise, code) {
  const error = await promise.then(() => assert.fail("it did not fail"), ConnectError.from);
  assert.strictEqual(error.code, code, String(error));
  return error;
}

async function* each(requests) {
  yield* requests;
}

const output = (sizes, fields = {}) =>
  ({ responseParameters: sizes.map((size) => ({ size })), ...fields });

async function sizesOf(responses) {
  const sizes = [];
  for await (const response of responses) sizes.push(response.payload.body.length);
  return sizes;
}

// A question when the last one is answered.
async function pingPong(client) {
  let wake;
  let heard = 0;
  async function* questions() {
    for (let i = 0; i < responseSizes.length; i++) {
      const answered = new Promise((resolve) => (wake = resolve));
      yield output([responseSizes[i]], { payload: payload(requestSizes[i]) });
      await answered;
    }
  }
  for await (const response of client.fullDuplexCall(questions())) {
    assert.strictEqual(response.payload.body.length, responseSizes[heard]);
    heard += 1;
    wake();
  }
  return heard;
}

const custom = {
  "x-grpc-test-echo-initial": "test_initial_metadata_value",
  "x-grpc-test-echo-trailing-bin": Buffer.from("ababab", "hex").toString("base64"),
};

async function expectCustom(call) {
  let initial;
  let trailing;
  await call({
    headers: custom,
    onHeader: (headers) => (initial = headers),
    onTrailer: (trailers) => (trailing = trailers),
  });
  assert.strictEqual(initial.get("x-grpc-test-echo-initial"), "test_initial_metadata_value");
  assert.strictEqual(
    Buffer.from(trailing.get("x-grpc-test-echo-trailing-bin"), "base64").toString("hex"), "ababab");
}

const cases = {
  empty_unary: (client) => client.emptyCall({}),
  large_unary: (client) => large(client),
  cacheable_unary: (client) => large(client, {}, "cacheableUnaryCall"),
  async client_compressed_unary(client) {
    await fails(large(client, { expectCompressed: { value: true } }), Code.InvalidArgument);
    await large(open({ sendCompression: compressionGzip }), { expectCompressed: { value: true } });
    await large(client, { expectCompressed: { value: false } });
  },
  async server_compressed_unary(client) {
    await large(client, { responseCompressed: { value: true } });
    await large(client, { responseCompressed: { value: false } });
  },
  async client_streaming(client) {
    const requests = requestSizes.map((size) => ({ payload: payload(size) }));
    const response = await client.streamingInputCall(each(requests));
    assert.strictEqual(response.aggregatedPayloadSize, 74922);
  },
  async client_compressed_streaming() {
    // Small messages are not compressed: from 1 KiB on.
    const client = open({ sendCompression: compressionGzip, compressMinBytes: 1024 });
    const requests = [27182, 8].map((size) =>
      ({ payload: payload(size), expectCompressed: { value: size > 1024 } }));
    const response = await client.streamingInputCall(each(requests));
    assert.strictEqual(response.aggregatedPayloadSize, 27190);
  },
  async server_streaming(client) {
    assert.deepStrictEqual(await sizesOf(client.streamingOutputCall(output(responseSizes))),
      responseSizes);
  },
  async server_compressed_streaming(client) {
    const request = output([31415, 92653]);
    request.responseParameters[0].compressed = { value: true };
    request.responseParameters[1].compressed = { value: false };
    assert.deepStrictEqual(await sizesOf(client.streamingOutputCall(request)), [31415, 92653]);
  },
  async ping_pong(client) {
    assert.strictEqual(await pingPong(client), responseSizes.length);
  },
  async half_duplex(client) {
    const requests = responseSizes.map((size) => output([size]));
    assert.deepStrictEqual(await sizesOf(client.halfDuplexCall(each(requests))), responseSizes);
  },
  async empty_stream(client) {
    assert.deepStrictEqual(await sizesOf(client.fullDuplexCall(each([]))), []);
  },
  async timeout_on_sleeping_server(client) {
    const request = output([31415], { payload: payload(27182) });
    request.responseParameters[0].intervalUs = 10 * 1000 * 1000;
    await fails(sizesOf(client.fullDuplexCall(each([request]), { timeoutMs: 1 })),
      Code.DeadlineExceeded);
  },
  async cancel_after_begin(client) {
    const abort = new AbortController();
    async function* never() {
      abort.abort();
      await new Promise(() => {});
    }
    await fails(client.streamingInputCall(never(), { signal: abort.signal }), Code.Canceled);
  },
  async cancel_after_first_response(client) {
    const abort = new AbortController();
    const questions = async function* () {
      yield output([31415], { payload: payload(27182) });
      await new Promise((resolve) => abort.signal.addEventListener("abort", resolve));
    };
    async function hear() {
      for await (const _ of client.fullDuplexCall(questions(), { signal: abort.signal }))
        abort.abort();
    }
    await fails(hear(), Code.Canceled);
  },
  async custom_metadata(client) {
    await expectCustom((options) => large(client, {}, "unaryCall", options));
    await expectCustom((options) => sizesOf(client.fullDuplexCall(
      each([output([314159], { payload: payload(271828) })]), options)));
  },
  async status_code_and_message(client) {
    const responseStatus = { code: 2, message: "test status message" };
    const unary = await fails(large(client, { responseStatus }), Code.Unknown);
    assert.strictEqual(unary.rawMessage, responseStatus.message);
    const duplex = await fails(
      sizesOf(client.fullDuplexCall(each([output([], { responseStatus })]))), Code.Unknown);
    assert.strictEqual(duplex.rawMessage, responseStatus.message);
  },
  async special_status_message(client) {
    const responseStatus = { code: 2, message: special };
    const error = await fails(large(client, { responseStatus }), Code.Unknown);
    assert.strictEqual(error.rawMessage, special);
  },
  unimplemented_method: (client) => fails(client.unimplementedCall({}), Code.Unimplemented),
  unimplemented_service: () =>
    fails(open({}, "UnimplementedService").unimplementedCall({}), Code.Unimplemented),
  async slow_consumer(client) {
    let heard = 0;
    for await (const _ of client.streamingOutputCall(output(new Array(2000).fill(1030)))) {
      heard += 1;
      if (heard % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.strictEqual(heard, 2000);
  },
  async rpc_soak(client) {
    for (let i = 0; i < 100; i++) await large(client);
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
