// Queues, watches, leases and completes jobs, and lists the services, with
// @grpc/grpc-js. Usage: grpc_js_client.js ADDRESS PROTO_FOLDER [CERTIFICATES]
// CERTIFICATES: the folder with what both sides show each other over TLS.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [address, protos, certificates] = process.argv.slice(2);
const api = grpc.loadPackageDefinition(loader.loadSync(
  ['sync/v1/sync.proto', 'sync/v1/worker.proto', 'grpc/health/v1/health.proto',
    'grpc/reflection/v1/reflection.proto'].map((file) => path.join(protos, file)),
  { includeDirs: [protos], enums: String, longs: Number, defaults: true, oneofs: true }));
const credentials = certificates === undefined
  ? grpc.credentials.createInsecure()
  : grpc.credentials.createSsl(...['ca.pem', 'alice.key', 'alice.pem'].map(
    (file) => fs.readFileSync(path.join(certificates, file))));
const sync = new api.sync.v1.SyncService(address, credentials);
const worker = new api.sync.v1.WorkerService(address, credentials);
const health = new api.grpc.health.v1.Health(address, credentials);
const reflection = new api.grpc.reflection.v1.ServerReflection(address, credentials);

const deadline = () => ({ deadline: Date.now() + 60000 });
const call = (client, method, request) => new Promise((resolve, reject) => {
  client[method](request, deadline(), (error, answer) => (error ? reject(error) : resolve(answer)));
});
// The stream's messages as they come; the caller asks for one at a time.
const reader = (stream) => {
  const messages = stream[Symbol.asyncIterator]();
  return async () => {
    const { value, done } = await messages.next();
    assert(!done, 'the stream ended');
    return value;
  };
};

const job = (name) => ({
  orgId: 'js', name, type: 'JOB_TYPE_FULL', data: { source: name, target: 'anywhere' },
});
const info = (name) => ({ workerId: `js-${name}`, sources: [name], targets: ['*'], slots: 1 });

const tests = {
  async a_job_is_queued_leased_and_completed_by_single_calls() {
    const queued = (await call(sync, 'queueJob', job('single'))).job;
    assert.match(queued.id, /^job_/);
    assert.equal(queued.status, 'JOB_STATUS_QUEUED');
    const { jobs } = await call(worker, 'leaseJobs',
      { worker: info('single'), maxJobs: 1, wait: { seconds: 30 } });
    assert.equal(jobs[0].lease.jobId, queued.id);
    await call(worker, 'completeJob', { lease: jobs[0].lease });
    const seen = (await call(sync, 'getJob', { orgId: 'js', id: queued.id })).job;
    assert.equal(seen.status, 'JOB_STATUS_COMPLETED');
    assert.equal(seen.progress, 100);
  },

  async a_watch_sees_a_job_that_is_pushed_down_a_work_stream() {
    const watch = sync.watchJobs({ orgId: 'js', name: 'streamed' }, deadline());
    const next = reader(watch);
    for (let event = await next(); event.event !== 'synced';) event = await next();
    const work = worker.work(deadline());
    const answer = reader(work);
    work.write({ hello: { worker: info('streamed') } });
    work.write({ ready: { slots: 1 } });
    assert.equal((await answer()).welcome.workerId, 'js-streamed');
    const queued = (await call(sync, 'queueJob', job('streamed'))).job;
    const pushed = (await answer()).assignments.jobs[0];
    assert.equal(pushed.lease.jobId, queued.id);
    work.write({ id: 5, complete: { lease: pushed.lease } });
    let result = await answer();
    while (result.id !== 5) result = await answer();
    assert.equal(result.result.code, 0);
    work.end();
    const seen = [];
    while (seen.at(-1) !== 'JOB_STATUS_COMPLETED') {
      const event = await next();
      if (event.event === 'job') seen.push(event.job.status);
    }
    assert.equal(seen[0], 'JOB_STATUS_QUEUED');
    watch.on('error', () => {});
    watch.cancel();
  },

  async a_wrong_request_is_an_invalid_argument() {
    await assert.rejects(call(sync, 'queueJob', job('not a name')),
      (error) => error.code === grpc.status.INVALID_ARGUMENT && /name/.test(error.details));
  },

  async health_says_serving() {
    assert.equal((await call(health, 'check', {})).status, 'SERVING');
  },

  async reflection_lists_the_services() {
    const stream = reflection.serverReflectionInfo(deadline());
    const next = reader(stream);
    stream.write({ listServices: '' });
    const names = (await next()).listServicesResponse.service.map((service) => service.name);
    for (const name of ['sync.v1.SyncService', 'sync.v1.WorkerService', 'sync.v1.AdminService']) {
      assert(names.includes(name), `${name} is not among ${names}`);
    }
    stream.end();
  },
};

(async () => {
  let failed = 0;
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
      console.log(`[       OK ] ${name}`);
    } catch (error) {
      failed++;
      console.log(error);
      console.log(`[  FAILED  ] ${name}`);
    }
  }
  [sync, worker, health, reflection].forEach((client) => client.close());
  process.exit(failed === 0 ? 0 : 1);
})();
