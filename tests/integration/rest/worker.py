"""A worker that does nothing by itself: the test says when it leases, reports
and lets go."""

import atexit
import shutil
import subprocess
import sys
import tempfile
import threading

import grpc


def generate(protoc, protos):
    """Makes the messages' Python and returns their module."""
    directory = tempfile.mkdtemp(prefix="sync-rest-protos-")
    atexit.register(shutil.rmtree, directory)
    subprocess.run([protoc, "-I" + protos, "--python_out=" + directory, "sync/v1/sync.proto",
                    "sync/v1/worker.proto"], check=True)
    sys.path.insert(0, directory)
    from sync.v1 import worker_pb2
    return worker_pb2


class Worker:
    def __init__(self, messages, address, name="tester"):
        self.messages = messages
        self.channel = grpc.insecure_channel(address)
        self.info = messages.WorkerInfo(worker_id=name, sources=["*"], targets=["*"], slots=1)

    def close(self):
        self.channel.close()

    def call(self, method, request, timeout=90):
        response = getattr(self.messages, method + "Response")
        return self.channel.unary_unary(
            "/sync.v1.WorkerService/" + method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString)(request, timeout=timeout)

    def lease(self, wait_seconds=30):
        """One job, or None if there is none in time."""
        request = self.messages.LeaseJobsRequest(worker=self.info, max_jobs=1)
        request.wait.seconds = wait_seconds
        jobs = self.call("LeaseJobs", request).jobs
        return jobs[0] if jobs else None

    def lease_in_background(self, wait_seconds=30):
        return Waiting(lambda: self.lease(wait_seconds))

    def progress(self, job, done, total):
        request = self.messages.ReportProgressRequest(lease=job.lease)
        request.entities.add(entity="products", done=done, total=total)
        return self.call("ReportProgress", request).directive

    def checkpoint(self, job, text):
        request = self.messages.SaveCheckpointRequest(lease=job.lease, checkpoint=text)
        return self.call("SaveCheckpoint", request).directive

    def release(self, job):
        self.call("ReleaseJob", self.messages.ReleaseJobRequest(lease=job.lease))

    def complete(self, job):
        self.call("CompleteJob", self.messages.CompleteJobRequest(lease=job.lease))

    def fail(self, job, message):
        self.call("FailJob", self.messages.FailJobRequest(
            lease=job.lease, message=message,
            failure_class=self.messages.FAILURE_CLASS_FATAL))


class Waiting:
    """Something on a thread of its own, whose result is asked for later."""

    def __init__(self, action):
        self.result, self.error = None, None
        self.thread = threading.Thread(target=self.run, args=(action,))
        self.thread.start()

    def run(self, action):
        try:
            self.result = action()
        except Exception as error:   # told to whoever asks
            self.error = error

    def get(self):
        self.thread.join()
        if self.error is not None:
            raise self.error
        return self.result
