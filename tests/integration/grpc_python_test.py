"""A client of another make (Debian's python3-grpcio) against the server: what
it sees must be gRPC, not only what our own client takes for it."""

import threading
import unittest

import grpc
from google.rpc import error_details_pb2, status_pb2
from sync.v1 import sync_pb2, worker_pb2
import health_pb2
import reflection_pb2

import harness
from grpc_client import Client, method


class GrpcPythonTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Sync()
        cls.client = Client(cls.server.rpc)

    @classmethod
    def tearDownClass(cls):
        cls.client.channel.close()
        cls.server.__exit__(None, None, None)

    def test_a_request_id_may_be_sent_again(self):
        request = sync_pb2.QueueJobRequest(
            org_id="again", name="again", type=sync_pb2.JOB_TYPE_FULL, request_id="key-1",
            data=sync_pb2.JobData(source="nobody", target="two"))
        answer = sync_pb2.QueueJobResponse
        call = method(self.client.channel, "sync.v1.SyncService", "QueueJob", answer).with_call
        first, told = call(request, timeout=harness.PATIENCE_S)
        self.assertNotIn("idempotency-replayed", dict(told.initial_metadata()))
        # Another connection: callers without credentials are one caller.
        with grpc.insecure_channel(self.server.rpc) as channel:
            call = method(channel, "sync.v1.SyncService", "QueueJob", answer).with_call
            again, told = call(request, timeout=harness.PATIENCE_S)
        self.assertEqual(again, first)
        self.assertEqual(dict(told.initial_metadata())["idempotency-replayed"], "true")
        request.priority = sync_pb2.JOB_PRIORITY_LOW
        with self.assertRaises(grpc.RpcError) as refused:
            self.client.sync("QueueJob", request)
        self.assertEqual(refused.exception.code(), grpc.StatusCode.FAILED_PRECONDITION)
        self.assertIn("requestId", refused.exception.details())
        self.client.sync("CancelJob", sync_pb2.CancelJobRequest(org_id="again", name="again"))

    def test_messages_may_be_compressed(self):
        names = [f"packed-{number}" for number in range(20)]
        request = sync_pb2.QueueJobsRequest(org_id="packed", jobs=[
            sync_pb2.QueueJobRequest(name=name, type=sync_pb2.JOB_TYPE_FULL,
                                     data=sync_pb2.JobData(source="nobody", target="two"))
            for name in names])
        answer = self.client.sync("QueueJobs", request, compression=grpc.Compression.Gzip)
        self.assertEqual([result.job.name for result in answer.results], names)
        listed = self.client.sync("ListJobs", sync_pb2.ListJobsRequest(org_id="packed"),
                                  compression=grpc.Compression.Deflate)
        self.assertEqual({job.name for job in listed.jobs}, set(names))
        for name in names:
            self.client.sync("CancelJob", sync_pb2.CancelJobRequest(org_id="packed", name=name))

    def test_a_job_is_queued_leased_and_completed_by_single_calls(self):
        queued = self.client.queue("single")
        self.assertTrue(queued.id.startswith("job_"))
        self.assertEqual(queued.status, sync_pb2.JOB_STATUS_QUEUED)
        job = self.client.lease()
        self.assertEqual(job.lease.job_id, queued.id)
        self.assertEqual(job.data.source, "one")
        progress = worker_pb2.ReportProgressRequest(lease=job.lease)
        progress.entities.add(entity="things", done=3, total=4)
        self.assertEqual(self.client.worker("ReportProgress", progress).directive,
                         worker_pb2.DIRECTIVE_CONTINUE)
        self.client.worker("CompleteJob", worker_pb2.CompleteJobRequest(lease=job.lease))
        seen = self.client.sync("GetJob", sync_pb2.GetJobRequest(org_id="acme", id=queued.id)).job
        self.assertEqual(seen.status, sync_pb2.JOB_STATUS_COMPLETED)
        self.assertEqual(seen.progress, 100)

    def test_a_job_goes_down_a_work_stream_and_its_completion_up(self):
        requests, ready = [], threading.Condition()

        def sent():
            while True:
                with ready:
                    ready.wait_for(lambda: requests)
                    request = requests.pop(0)
                if request is None:
                    return
                yield request

        def send(request):
            with ready:
                requests.append(request)
                ready.notify()

        send(worker_pb2.WorkRequest(hello=worker_pb2.WorkHello(worker=worker_pb2.WorkerInfo(
            worker_id="streaming", sources=["stream"], targets=["*"], slots=1))))
        send(worker_pb2.WorkRequest(ready=worker_pb2.WorkReady(slots=1)))
        work = method(self.client.channel, "sync.v1.WorkerService", "Work",
                      worker_pb2.WorkResponse, "both")(sent(), timeout=harness.PATIENCE_S)
        self.assertEqual(next(work).welcome.worker_id, "streaming")
        queued = self.client.sync("QueueJob", sync_pb2.QueueJobRequest(
            org_id="acme", name="streamed", type=sync_pb2.JOB_TYPE_FULL,
            data=sync_pb2.JobData(source="stream", target="two"))).job
        job = next(work).assignments.jobs[0]
        self.assertEqual(job.lease.job_id, queued.id)
        send(worker_pb2.WorkRequest(id=7, complete=worker_pb2.CompleteJobRequest(lease=job.lease)))
        result = next(answer for answer in work if answer.id == 7)
        self.assertEqual(result.result.code, 0)
        send(None)
        self.assertEqual(list(work), [])
        self.assertEqual(work.code(), grpc.StatusCode.OK)

    def test_a_watch_sees_a_job_come_and_go(self):
        watch = method(self.client.channel, "sync.v1.SyncService", "WatchJobs",
                       sync_pb2.WatchJobsResponse, "down")(
            sync_pb2.WatchJobsRequest(org_id="acme", name="watched"), timeout=harness.PATIENCE_S)
        for event in watch:
            if event.WhichOneof("event") == "synced":
                break
        queued = self.client.queue("watched")
        self.client.worker("CompleteJob",
                           worker_pb2.CompleteJobRequest(lease=self.client.lease().lease))
        seen = []
        for event in watch:
            if event.WhichOneof("event") == "job":
                self.assertEqual(event.job.id, queued.id)
                seen.append(event.job.status)
            if seen[-1:] == [sync_pb2.JOB_STATUS_COMPLETED]:
                break
        watch.cancel()
        self.assertEqual(seen[0], sync_pb2.JOB_STATUS_QUEUED)
        self.assertIn(sync_pb2.JOB_STATUS_ACTIVE, seen)

    def test_a_wrong_request_names_its_field_in_the_status_details(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.client.sync("QueueJob", sync_pb2.QueueJobRequest(
                org_id="acme", name="no spaces, please", type=sync_pb2.JOB_TYPE_FULL))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        packed = dict(caught.exception.trailing_metadata())["grpc-status-details-bin"]
        status = status_pb2.Status.FromString(packed)
        bad = error_details_pb2.BadRequest()
        self.assertTrue(any(detail.Unpack(bad) for detail in status.details))
        self.assertEqual(bad.field_violations[0].field, "name")

    def test_a_job_that_is_not_there_is_not_found(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.client.sync("GetJob", sync_pb2.GetJobRequest(org_id="acme", id="job_0"))
        self.assertIn(caught.exception.code(), (grpc.StatusCode.NOT_FOUND,
                                                grpc.StatusCode.INVALID_ARGUMENT))
        queued = self.client.queue("mine")
        with self.assertRaises(grpc.RpcError) as caught:
            self.client.sync("GetJob", sync_pb2.GetJobRequest(org_id="other", id=queued.id))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)
        self.client.sync("CancelJob", sync_pb2.CancelJobRequest(org_id="acme", id=queued.id))

    def test_the_organisation_may_come_as_metadata(self):
        info = self.client.sync("GetOrgInfo", sync_pb2.GetOrgInfoRequest(),
                                metadata=(("orgid", "acme"),))
        self.assertEqual(info.organization.id, "acme")

    def test_an_unknown_method_is_unimplemented(self):
        with self.assertRaises(grpc.RpcError) as caught:
            method(self.client.channel, "sync.v1.SyncService", "Nonsense",
                   sync_pb2.GetJobResponse)(sync_pb2.GetJobRequest(), timeout=10)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_health_says_serving(self):
        check = method(self.client.channel, "grpc.health.v1.Health", "Check",
                       health_pb2.HealthCheckResponse)
        answer = check(health_pb2.HealthCheckRequest(), timeout=10)
        self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING)

    def test_reflection_lists_the_services(self):
        reflect = method(self.client.channel, "grpc.reflection.v1.ServerReflection",
                         "ServerReflectionInfo", reflection_pb2.ServerReflectionResponse, "both")
        answers = reflect(iter([reflection_pb2.ServerReflectionRequest(list_services="")]),
                          timeout=10)
        names = {service.name for service in next(answers).list_services_response.service}
        self.assertLessEqual({"sync.v1.SyncService", "sync.v1.WorkerService",
                              "sync.v1.AdminService", "grpc.health.v1.Health"}, names)

    def test_a_server_that_is_stopped_ends_a_watch_cleanly(self):
        with harness.Sync() as server:
            client = Client(server.rpc)
            watch = method(client.channel, "sync.v1.SyncService", "WatchJobs",
                           sync_pb2.WatchJobsResponse, "down")(
                sync_pb2.WatchJobsRequest(org_id="acme"), timeout=harness.PATIENCE_S)
            self.assertEqual(next(watch).WhichOneof("event"), "synced")
            server.stop()
            try:
                for event in watch:
                    self.assertIn(event.WhichOneof("event"), ("heartbeat", "relist"))
                code = watch.code()
            except grpc.RpcError as error:
                code = error.code()
            self.assertIn(code, (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE))
            client.channel.close()


if __name__ == "__main__":
    harness.main()
