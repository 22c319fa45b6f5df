// grpc.testing.TestService by grpc-js, for our client:
//
//   node js_server.js PROTOS [CERT KEY]     prints the port
"use strict";
const fs = require("fs");
const grpc = require("@grpc/grpc-js");
const { load, payload } = require("./js_messages.js");

const [protos, cert, key] = process.argv.slice(2);
const INITIAL = "x-grpc-test-echo-initial";
const TRAILING = "x-grpc-test-echo-trailing-bin";

function echo(call, name) {
  const metadata = new grpc.Metadata();
  for (const value of call.metadata.get(name)) metadata.add(name, value);
  return metadata;
}

function failure(request, trailers) {
  const status = request.response_status;
  if (!status || status.code === 0) return null;
  return { code: status.code, details: status.message, metadata: trailers };
}

function unary(call, done) {
  const trailers = echo(call, TRAILING);
  call.sendMetadata(echo(call, INITIAL));
  const failed = failure(call.request, trailers);
  if (failed) done(failed);
  else done(null, { payload: payload(call.request.response_size) }, trailers);
}

const sleep = (us) => new Promise((wake) => setTimeout(wake, us / 1000));

async function answer(call, request) {
  for (const wanted of request.response_parameters) {
    if (wanted.interval_us > 0) await sleep(wanted.interval_us);
    call.write({ payload: payload(wanted.size) });
  }
}

async function output(call) {
  await answer(call, call.request);
  call.end();
}

function duplex(call, gather) {
  const trailers = echo(call, TRAILING);
  let last = Promise.resolve();
  let failed = null;
  call.sendMetadata(echo(call, INITIAL));
  const gathered = [];
  const serve = (request) => {
    last = last.then(() => answer(call, request)).then(() => {
      failed = failed || failure(request, trailers);
    });
  };
  call.on("data", (request) => (gather ? gathered.push(request) : serve(request)));
  call.on("end", () => {
    gathered.forEach(serve);
    last.then(() => (failed ? call.emit("error", failed) : call.end(trailers)));
  });
}

function input(call, done) {
  let size = 0;
  call.on("data", (request) => (size += request.payload ? request.payload.body.length : 0));
  call.on("end", () => done(null, { aggregated_payload_size: size }));
}

const server = new grpc.Server();
server.addService(load(protos).TestService.service, {
  EmptyCall: (call, done) => done(null, {}),
  UnaryCall: unary,
  CacheableUnaryCall: unary,
  StreamingOutputCall: output,
  StreamingInputCall: input,
  FullDuplexCall: (call) => duplex(call, false),
  HalfDuplexCall: (call) => duplex(call, true),
});
const credentials = cert
  ? grpc.ServerCredentials.createSsl(null, [
      { cert_chain: fs.readFileSync(cert), private_key: fs.readFileSync(key) },
    ])
  : grpc.ServerCredentials.createInsecure();
server.bindAsync("127.0.0.1:0", credentials, (error, port) => {
  if (error) throw error;
  console.log(port);
});
