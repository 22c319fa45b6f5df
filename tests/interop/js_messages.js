// The service for grpc-js, and the numbers of the interop cases.
"use strict";
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

function load(protos) {
  const options = { keepCase: true, defaults: true, includeDirs: [protos] };
  return grpc.loadPackageDefinition(loader.loadSync("grpc/testing/test.proto", options)).grpc.testing;
}

module.exports = {
  load,
  requestSizes: [27182, 8, 1828, 45904],
  responseSizes: [31415, 9, 2653, 58979],
  largeRequest: 271828,
  largeResponse: 314159,
  payload: (size) => ({ body: Buffer.alloc(size) }),
};
