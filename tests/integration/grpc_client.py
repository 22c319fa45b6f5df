"""A client made with Debian's python3-grpcio: calls by name, messages as fields."""

import grpc
from sync.v1 import sync_pb2, worker_pb2

import harness


def method(channel, service, name, answer, stream=None):
    path = f"/{service}/{name}"
    make = {None: channel.unary_unary, "down": channel.unary_stream,
            "both": channel.stream_stream}[stream]
    return make(path, request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=answer.FromString)


class Client:
    def __init__(self, address):
        self.channel = grpc.insecure_channel(address)

    def sync(self, name, request, **options):
        answer = getattr(sync_pb2, name + "Response")
        return method(self.channel, "sync.v1.SyncService", name, answer)(
            request, timeout=harness.PATIENCE_S, **options)

    def worker(self, name, request):
        answer = getattr(worker_pb2, name + "Response")
        return method(self.channel, "sync.v1.WorkerService", name, answer)(
            request, timeout=harness.PATIENCE_S)

    def queue(self, name, **fields):
        return self.sync("QueueJob", sync_pb2.QueueJobRequest(
            org_id="acme", name=name, type=sync_pb2.JOB_TYPE_FULL,
            data=sync_pb2.JobData(source="one", target="two"), **fields)).job

    def lease(self, sources=("*",)):
        return self.worker("LeaseJobs", worker_pb2.LeaseJobsRequest(
            worker=worker_pb2.WorkerInfo(worker_id="python", sources=sources, targets=["*"],
                                         slots=4),
            max_jobs=1, wait={"seconds": 30})).jobs[0]
