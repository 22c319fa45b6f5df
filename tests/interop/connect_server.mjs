// grpc.testing.TestService by connect-node, for our client:
//
//   node connect_server.mjs DESCRIPTORS [CERT KEY]     prints the port
//
// It compresses what is large for whoever accepts it.
import fs from "node:fs";
import http2 from "node:http2";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";

const [descriptors, cert, key] = process.argv.slice(2);
const registry =
  createFileRegistry(fromBinary(FileDescriptorSetSchema, fs.readFileSync(descriptors)));
const INITIAL = "x-grpc-test-echo-initial";
const TRAILING = "x-grpc-test-echo-trailing-bin";

function echo(context) {
  const { requestHeader, responseHeader, responseTrailer } = context;
  if (requestHeader.has(INITIAL)) responseHeader.set(INITIAL, requestHeader.get(INITIAL));
  if (requestHeader.has(TRAILING)) responseTrailer.set(TRAILING, requestHeader.get(TRAILING));
}

function endAsAsked({ responseStatus: status }) {
  if (status && status.code !== 0) throw new ConnectError(status.message, status.code);
}

function unary(request, context) {
  echo(context);
  endAsAsked(request);
  return { payload: { body: new Uint8Array(request.responseSize) } };
}

async function* answer(request, signal) {
  for (const wanted of request.responseParameters) {
    if (wanted.intervalUs > 0)
      await new Promise((wake) => {
        const timer = setTimeout(wake, wanted.intervalUs / 1000);
        signal.addEventListener("abort", () => (clearTimeout(timer), wake()));
      });
    yield { payload: { body: new Uint8Array(wanted.size) } };
  }
  endAsAsked(request);
}

const routes = (router) =>
  router.service(registry.getService("grpc.testing.TestService"), {
    emptyCall: () => ({}),
    unaryCall: unary,
    cacheableUnaryCall: unary,
    streamingOutputCall: (request, context) => answer(request, context.signal),
    async streamingInputCall(requests) {
      let size = 0;
      for await (const request of requests) size += request.payload.body.length;
      return { aggregatedPayloadSize: size };
    },
    async *fullDuplexCall(requests, context) {
      echo(context);
      for await (const request of requests) yield* answer(request, context.signal);
    },
    async *halfDuplexCall(requests, context) {
      const gathered = [];
      for await (const request of requests) gathered.push(request);
      for (const request of gathered) yield* answer(request, context.signal);
    },
  });

const handler = connectNodeAdapter({ routes });
const server = cert
  ? http2.createSecureServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key) }, handler)
  : http2.createServer(handler);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
